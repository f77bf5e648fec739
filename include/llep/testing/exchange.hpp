// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/concepts/communicator.hpp>
#include <llep/digest.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing::detail {

// What the memory sent from holds: before the queue fills it, when it is posted, after the wait.
enum class phase : std::int32_t { before, at_post, after };

/// The messages of one random `post` of all ranks, which every rank makes alike.
class exchange {
 public:
  struct message {
    rank_id src, dst;
    std::int64_t count;
    byte_count from = 0;  // in src's send area
    byte_count to = 0;    // in dst's receive area
  };
  static constexpr std::byte poison{0xA5};

  exchange(seeded& random, std::int32_t ranks, std::uint64_t key)
      : lane_(random.one_of({lane::rows, lane::weights})),
        element_bytes_(random.one_of<std::int64_t>({1, 2, 3, 4, 8, 20, 256, 1000})),
        key_(key),
        one_source_(random.chance(20)),
        send_bytes_(at(ranks), 0),
        receive_bytes_(at(ranks), 0) {
    list(random, ranks);
    shuffle(random);
    for (message& m : messages_) place(random, m);
  }

  [[nodiscard]] lane on() const { return lane_; }
  [[nodiscard]] std::int64_t element_bytes() const { return element_bytes_; }
  [[nodiscard]] std::vector<message> const& messages() const { return messages_; }
  [[nodiscard]] byte_count receive_bytes(rank_id r) const { return receive_bytes_[at(r)]; }

  [[nodiscard]] std::vector<std::byte> content(message const& m, phase when) const {
    auto sum = digest().add(key_).add(static_cast<std::int32_t>(when)).add(m.src).add(m.from);
    seeded random(sum.value());
    std::vector<std::byte> data(at(m.count * element_bytes_));
    for (std::byte& b : data) b = static_cast<std::byte>(random.next() >> 56U);
    return data;
  }
  [[nodiscard]] std::vector<std::byte> send_area(rank_id r, phase when) const {
    std::vector<std::byte> area(at(send_bytes_[at(r)]));
    for (message const& m : messages_)
      if (m.src == r) put(content(m, when), area, m.from);
    return area;
  }
  /// What must come; between messages lies poison.
  [[nodiscard]] std::vector<std::byte> receive_area(rank_id r) const {
    std::vector<std::byte> area(at(receive_bytes_[at(r)]), poison);
    for (message const& m : messages_)
      if (m.dst == r) put(content(m, phase::at_post), area, m.to);
    return area;
  }

 private:
  static void put(std::vector<std::byte> const& data, std::vector<std::byte>& area,
                  byte_count where) {
    std::copy(data.begin(), data.end(), area.begin() + where);
  }

  // Everybody to everybody, from one, to one, around, a single pair with many, or none.
  void list(seeded& random, std::int32_t ranks) {
    auto const kind = random.below(6);
    auto const a = random.int32(0, ranks - 1);
    auto const b = random.int32(0, ranks - 1);
    for (rank_id src = 0; src < ranks; ++src)
      for (rank_id dst = 0; dst < ranks; ++dst) {
        bool const goes = kind == 0 || (kind == 1 && src == a) || (kind == 2 && dst == a) ||
                          (kind == 3 && (src + 1) % ranks == dst) ||
                          (kind == 4 && src == a && dst == b);
        if (!goes || src == dst) continue;
        for (auto n = kind == 4 ? random.between(1, 30) : random.between(0, 3); n > 0; --n)
          messages_.push_back({src, dst, count(random, kind == 4)});
      }
  }
  // Lists needn't ascend by peer; a pair's messages then match in the order that comes of it.
  void shuffle(seeded& random) {
    auto const before = messages_;
    auto const order = random.order(std::ssize(before));
    for (std::size_t i = 0; i < order.size(); ++i) messages_[i] = before[at(order[i])];
  }
  static std::int64_t count(seeded& random, bool one_of_many) {
    return one_of_many || random.chance(95) ? random.between(1, 4) : random.between(50, 300);
  }

  // With one source all messages of a rank begin at the same place: weights go to several ranks.
  void place(seeded& random, message& m) {
    byte_count const bytes = m.count * element_bytes_;
    byte_count& out = send_bytes_[at(m.src)];
    byte_count& in = receive_bytes_[at(m.dst)];
    m.from = one_source_ ? 0 : out;
    out = (std::max)(out, m.from + bytes);
    m.to = in + random.below(2) * element_bytes_;
    in = m.to + bytes + random.below(2) * element_bytes_;
  }

  lane lane_;
  std::int64_t element_bytes_;
  std::uint64_t key_;
  bool one_source_;
  std::vector<message> messages_;
  std::vector<byte_count> send_bytes_, receive_bytes_;
};

}  // namespace llep::testing::detail
