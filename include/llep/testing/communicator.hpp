// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <llep/concepts/communicator.hpp>
#include <llep/testing/exchange.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/promise.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing {

namespace detail {

/// Random calls, the same on every rank, with nothing between them that waits for the device: what
/// has arrived is put aside by the queue and looked at in the end.
template <communicator C>
class communicator_check {
  using device_type = typename C::device_type;
  using queue = typename device_type::queue;
  using bytes = on_device<device_type, std::byte>;
  using words = on_device<device_type, std::int64_t>;

  // One `post` of this rank. The device memory: what is posted from and to; what is put into the
  // former before and after; what was found in the latter.
  struct flight {
    exchange what;
    bytes out, right, wrong, in, found;
    std::optional<typename C::ticket> ticket;
  };
  struct gathering {
    std::vector<std::int64_t> expected;
    words in, right, wrong, out, found;
  };

 public:
  communicator_check(C& group, queue& q, std::uint64_t seed)
      : group_(group),
        q_(q),
        seed_(seed),
        random_(seed),
        own_random_(seed * 1000 + static_cast<std::uint64_t>(group.rank()) + 1),
        witness_("communicator", seed, group.rank()) {}

  void run() {
    for (auto calls = random_.between(10, 40); calls > 0; --calls) {
      if (own_random_.chance(20)) group_.progress();
      auto const kind = random_.below(10);
      if (kind == 0)
        gather();
      else if (kind < 5 && flying_[0].size() + flying_[1].size() < 6)
        post();
      else
        wait(random_.below(2));
    }
    auto const first = random_.below(2);  // a lane's last tickets, then the other's
    for (auto const on : {first, 1 - first})
      while (!flying_[on].empty()) wait(on);
    look();
  }

 private:
  [[nodiscard]] std::uint64_t number() const { return static_cast<std::uint64_t>(flights_.size()); }

  // What an area holds that is sent from, in one of three phases.
  bytes area(exchange const& what, phase when) {
    return bytes(group_.device(), q_, what.send_area(group_.rank(), when));
  }
  bytes poison(byte_count n) {
    return bytes(group_.device(), q_, std::vector<std::byte>(at(n), exchange::poison));
  }

  void post() {
    exchange what(random_, group_.size(), digest().add(seed_).add(number()).value());
    rank_id const me = group_.rank();
    auto const room = what.receive_bytes(me);
    flight& f = flights_.emplace_back(flight{what,
                                             area(what, phase::before),
                                             area(what, phase::at_post),
                                             area(what, phase::after),
                                             poison(room),
                                             poison(room),
                                             {}});
    group_.device().copy(q_, f.out.data(), f.right.data(), f.out.bytes());
    std::vector<outgoing> sends;
    std::vector<incoming> receives;
    for (exchange::message const& m : what.messages()) {
      if (m.src == me) sends.push_back({m.dst, f.out.data() + m.from, m.count});
      if (m.dst == me) receives.push_back({m.src, f.in.data() + m.to, m.count});
    }
    f.ticket.emplace(group_.post(q_, what.on(), sends, receives, what.element_bytes()));
    sends.assign(sends.size(), {});  // they were read during the call only
    receives.assign(receives.size(), {});
    flying_[at(static_cast<std::int64_t>(what.on()))].push_back(&f);
  }

  // For a lane's oldest ticket. The queue takes what has come, and writes to the memory sent from.
  void wait(std::int64_t on) {
    auto& flying = flying_[at(on)];
    if (flying.empty()) return;
    flight& f = *flying.front();
    flying.pop_front();
    group_.wait(q_, std::move(*f.ticket));
    group_.device().copy(q_, f.found.data(), f.in.data(), f.in.bytes());
    group_.device().copy(q_, f.out.data(), f.wrong.data(), f.out.bytes());
  }

  std::vector<std::int64_t> numbers(rank_id of, phase when, std::int64_t n) const {
    seeded random(
        digest().add(seed_).add(number()).add(of).add(static_cast<std::int32_t>(when)).value());
    std::vector<std::int64_t> list(at(n));
    for (auto& value : list) value = static_cast<std::int64_t>(random.next());
    return list;
  }

  void gather() {
    auto const n = random_.between(1, 40);
    auto& device = group_.device();
    auto const own = [&](phase when) { return words(device, q_, numbers(group_.rank(), when, n)); };
    std::vector<std::int64_t> expected;
    for (rank_id r = 0; r < group_.size(); ++r)
      for (auto const value : numbers(r, phase::at_post, n)) expected.push_back(value);
    expected.push_back(77);  // behind it nobody writes
    words blank(device, q_, std::vector<std::int64_t>(expected.size(), 77));
    words found(device, q_, std::vector<std::int64_t>(expected.size(), 0));
    gathering& g =
        gatherings_.emplace_back(gathering{expected, own(phase::before), own(phase::at_post),
                                           own(phase::after), std::move(blank), std::move(found)});
    device.copy(q_, g.in.data(), g.right.data(), g.in.bytes());
    group_.all_gather(q_, g.in.data(), g.out.data(), n);
    device.copy(q_, g.found.data(), g.out.data(), g.out.bytes());
    device.copy(q_, g.in.data(), g.wrong.data(), g.in.bytes());
  }

  // At the end, so that a rank whose promises are broken has made all its calls.
  void look() {
    for (gathering const& g : gatherings_)
      witness_.same(g.found.read(), g.expected, "all_gather: out[p x n + i] is rank p's in[i]");
    for (flight const& f : flights_) {
      auto const got = f.found.read();
      auto const expected = f.what.receive_area(group_.rank());
      if (got != expected) witness_.same(got, expected, diagnosis(f, got, expected));
    }
  }

  // Which promise it must be that isn't kept.
  std::string_view diagnosis(flight const& f, std::vector<std::byte> const& got,
                             std::vector<std::byte> const& expected) const {
    for (exchange::message const& m : f.what.messages()) {
      if (m.dst != group_.rank()) continue;
      auto const part = [&](std::vector<std::byte> const& all) {
        auto const first = all.begin() + m.to;
        return std::vector<std::byte>(first, first + m.count * f.what.element_bytes());
      };
      auto const content = part(got);
      if (content == part(expected)) continue;
      if (std::count(content.begin(), content.end(), exchange::poison) == std::ssize(content))
        return "what is put on the queue after wait sees the received data";
      if (content == f.what.content(m, phase::before))
        return "post sends what is put on the queue before it";
      if (content == f.what.content(m, phase::after))
        return "memory sent from isn't read any more after wait";
      for (flight const& other : flights_)
        for (exchange::message const& o : other.what.messages())
          if (o.src == m.src && o.dst == m.dst && content == other.what.content(o, phase::at_post))
            return "messages of a pair of ranks and a lane match in order";
      return "what was sent arrives";
    }
    return "nothing is written where no message goes";
  }

  C& group_;
  queue& q_;
  std::uint64_t seed_;
  seeded random_;      // the same on every rank
  seeded own_random_;  // not so
  witness witness_;
  std::deque<flight> flights_;
  std::deque<gathering> gatherings_;
  std::deque<flight*> flying_[2];  // by lane, in order of posting
};

}  // namespace detail

/// Holds a communicator against the contract of `llep::communicator`, with random calls of one
/// seed. Collective: every rank calls it with the same seed, and makes the same calls in it. On
/// both lanes several posts are under way at a time; tickets of a lane are waited for in order of
/// posting, the lanes in any order; elements have odd sizes, lists are empty or long, traffic may
/// go one way; memory is filled and used again by the queue, without the host in between.
///
/// `abort`, after which nothing may follow, is left to `check_abort`. That `post` doesn't hold the
/// queue up isn't looked at.
/// @throws broken_promise on a rank that received what it shouldn't have, when all calls are made;
///         what the communicator throws comes through. The other ranks don't learn of it.
template <communicator C>
void check_communicator(C& group, typename C::device_type::queue& q, std::uint64_t seed) {
  detail::communicator_check<C>(group, q, seed).run();
}

}  // namespace llep::testing
