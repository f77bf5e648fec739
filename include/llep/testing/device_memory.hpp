// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <llep/concepts/device.hpp>
#include <llep/device/buffer.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/promise.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing::detail {

/// What a device promises about memory, queues and events.
template <device D>
class device_memory {
  using queue = typename D::queue;
  using numbers = std::vector<std::int64_t>;

 public:
  device_memory(D& device, queue& q, std::uint64_t seed)
      : device_(device), q_(q), random_(seed), witness_("device", seed) {}

  void allocations() {
    std::vector<device_buffer<D>> all;
    for (byte_count const bytes :
         {byte_count{1}, random_.between(2, 255), random_.between(256, 5000)}) {
      all.emplace_back(device_).reserve(bytes);
      witness_.holds(reinterpret_cast<std::uintptr_t>(all.back().data()) % 256 == 0,
                     "allocate: device memory is aligned to 256 bytes");
    }
  }

  void copies() {
    auto const values = random_numbers(random_.between(1, 3000));
    on_device<D, std::int64_t> const a(device_, q_, values);
    witness_.same(a.read(), values, "copy: from staging to device memory and back");
    on_device<D, std::int64_t> const b(device_, q_, random_numbers(std::ssize(values)));
    auto expected = b.read();
    auto const first = random_.below(std::ssize(values));
    auto const n = random_.between(0, std::ssize(values) - first);
    std::copy_n(values.begin() + first, n, expected.begin() + first);
    device_.copy(q_, b.data() + first, a.data() + first, n * word);
    witness_.same(b.read(), expected, "copy: so many bytes of device memory, and no other");
    if constexpr (D::host_memory) {
      std::memcpy(b.data(), values.data(), at(b.bytes()));
      witness_.same(b.read(), values, "host_memory: the host writes to device memory");
    }
  }

  // A queue does what is put on it in that order; another one follows an event. Values go round
  // between two queues, each behind work that a queue which doesn't wait would overtake.
  void order() {
    queue other = device_.make_queue();
    auto marks = std::pair(device_.make_event(), device_.make_event());
    device_.wait(other, marks.first);  // counts as reached until recorded
    device_.sync(marks.second);
    auto const n = random_.between(5000, 20000);
    auto const values = random_numbers(n);
    on_device<D, std::int64_t> const wrong(device_, q_, random_numbers(n));
    std::vector<on_device<D, std::int64_t>> stops;
    stops.emplace_back(device_, q_, values);
    for (int i = 0; i < 7; ++i) stops.emplace_back(device_, q_, random_numbers(n));
    device_.record(marks.first, q_);
    device_.wait(other, marks.first);
    for (std::size_t i = 1; i < stops.size(); ++i) {
      queue& here = i % 2 == 0 ? q_ : other;
      for (int k = 0; k < 3; ++k) device_.copy(here, stops[i].data(), wrong.data(), n * word);
      device_.copy(here, stops[i].data(), stops[i - 1].data(), n * word);
      auto& mark = i % 3 == 0 ? marks.first : marks.second;  // both are used again
      device_.record(mark, here);
      device_.wait(i % 2 == 0 ? other : q_, mark);
    }
    witness_.same(stops.back().read(), values,
                  "record and wait: a queue that waits for an event sees what came before it");
  }

  // All that takes time is done before, and a queue is busy with memory that is given back: whoever
  // gets it again at once has changed it before the queue reads it.
  void reuse() {
    auto const n = random_.between(5000, 20000);
    auto const bytes = n * word;
    auto const values = random_numbers(n);
    on_device<D, std::int64_t> const right(device_, q_, values);
    on_device<D, std::int64_t> const wrong(device_, q_, random_numbers(n));
    on_device<D, std::int64_t> const kept(device_, q_, random_numbers(n));
    auto given_back = std::make_optional<device_buffer<D>>(device_);
    given_back->reserve(bytes);
    device_.copy(q_, given_back->data(), right.data(), bytes);
    queue other = device_.make_queue();
    finish(q_);
    for (int k = 0; k < 100; ++k) device_.copy(q_, kept.data(), wrong.data(), bytes);
    device_.copy(q_, kept.data(), given_back->data(), bytes);
    given_back.reset();  // the queue isn't there yet
    device_buffer<D> next(device_);
    next.reserve(bytes);
    device_.copy(other, next.data(), wrong.data(), bytes);
    finish(other);
    witness_.same(kept.read(), values,
                  "deallocate: memory isn't used again before queues are through with it");
  }

  void moved() {
    queue first = device_.make_queue();
    queue second(std::move(first));
    auto event = device_.make_event();
    device_.record(event, second);
    auto moved_event(std::move(event));
    device_.sync(moved_event);
    auto const values = random_numbers(9);
    on_device<D, std::int64_t> const list(device_, second, values);
    witness_.same(list.read(), values, "a queue that was moved goes on");
  }

 private:
  static constexpr byte_count word = sizeof(std::int64_t);

  void finish(queue& q) {
    auto reached = device_.make_event();
    device_.record(reached, q);
    device_.sync(reached);
  }

  numbers random_numbers(std::int64_t n) {
    numbers list(at(n));
    for (auto& value : list) value = static_cast<std::int64_t>(random_.next());
    return list;
  }

  D& device_;
  queue& q_;
  seeded random_;
  witness witness_;
};

template <device D>
void check_device_memory(D& device, typename D::queue& q, std::uint64_t seed) {
  device_memory<D> check(device, q, seed);
  check.allocations();
  check.copies();
  check.order();
  check.reuse();
  check.moved();
}

}  // namespace llep::testing::detail
