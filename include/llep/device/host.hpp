// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#include <llep/concepts/device.hpp>

namespace llep {

/// The host as a device, in plain loops: the oracle that other devices are held against. Everything
/// has happened when a call returns, so queues and events are empty.
class host_device {
 public:
  using device_concept = device_tag;
  static constexpr bool host_memory = true;
  struct queue {};
  struct event {};

  [[nodiscard]] queue make_queue() { return {}; }
  [[nodiscard]] event make_event() { return {}; }

  [[nodiscard]] void* allocate(byte_count bytes) {
    return ::operator new(static_cast<std::size_t>(bytes), alignment);
  }
  void deallocate(void* p) noexcept { ::operator delete(p, alignment); }
  [[nodiscard]] void* allocate_staging(byte_count bytes) { return allocate(bytes); }
  void deallocate_staging(void* p) noexcept { deallocate(p); }

  void copy(queue&, void* dst, void const* src, byte_count bytes) {
    if (bytes > 0) std::memcpy(dst, src, static_cast<std::size_t>(bytes));
  }
  void record(event&, queue&) {}
  void wait(queue&, event&) {}
  void sync(event&) {}

  template <class Id>
    requires std::same_as<Id, std::int32_t> || std::same_as<Id, std::int64_t>
  void count(queue&, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t* bad,
             std::int64_t* counts) {
    bad[0] = -1;
    bad[1] = 0;
    for (expert_id e = 0; e < experts; ++e) counts[e] = 0;
    for (std::int64_t t = 0; t < ids.rows; ++t) {
      for (std::int64_t k = 0; k < ids.cols; ++k) {
        Id const id = ids.row(t)[k];
        if (id >= 0 && id < experts) {
          ++counts[id];
        } else if (bad[0] < 0) {
          bad[0] = t * ids.cols + k;
          bad[1] = id;
        }
      }
    }
  }

  template <class Id>
    requires std::same_as<Id, std::int32_t> || std::same_as<Id, std::int64_t>
  void index(queue&, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t const* offsets,
             row_segment const* segments, std::int32_t* slots) {
    cursors_.assign(static_cast<std::size_t>(experts), cursor{});
    for (std::int64_t t = 0; t < ids.rows; ++t) {
      for (std::int64_t k = 0; k < ids.cols; ++k) {
        auto const e = ids.row(t)[k];
        auto& [row, segment] = cursors_[static_cast<std::size_t>(e)];
        row_segment const* const mine = segments + offsets[e];
        std::int64_t const of = offsets[e + 1] - offsets[e];
        while (segment + 1 < of && mine[segment + 1].begin <= row) ++segment;
        *slots++ = static_cast<std::int32_t>(mine[segment].slot + (row - mine[segment].begin));
        ++row;
      }
    }
  }

  void pack(queue&, std::byte const* x, byte_count row_bytes, byte_count stride_bytes,
            std::int64_t choices, std::int32_t const* slots, std::int64_t n, std::byte* out) {
    for (std::int64_t i = 0; i < n; ++i)
      std::memcpy(out + slots[i] * row_bytes, x + i / choices * stride_bytes,
                  static_cast<std::size_t>(row_bytes));
  }

  void move_rows(queue&, std::byte const* src, byte_count row_bytes, row_chunk const* chunks,
                 std::int64_t count, std::byte* dst) {
    for (std::int64_t i = 0; i < count; ++i)
      std::memcpy(dst + chunks[i].to * row_bytes, src + chunks[i].from * row_bytes,
                  static_cast<std::size_t>(chunks[i].rows * row_bytes));
  }

  template <class Row, class Gate>
    requires(std::same_as<Row, float> || std::same_as<Row, double>) &&
            (std::same_as<Gate, float> || std::same_as<Gate, double>)
  void combine(queue&, Row const* y, std::int32_t const* slots, matrix_ref<Gate const> gates,
               matrix_ref<Row> out) {
    for (std::int64_t t = 0; t < out.rows; ++t, slots += gates.cols) {
      Row* const sum = out.row(t);
      std::int64_t k = 0;
      if (gates.cols < 4) std::fill_n(sum, out.cols, Row{0});
      for (; k + 4 <= gates.cols; k += 4)
        add_four(y, out.cols, slots + k, gates.row(t) + k, k > 0, sum);
      for (; k < gates.cols; ++k) {
        auto const gate = static_cast<Row>(gates.row(t)[k]);
        Row const* const row = y + slots[k] * out.cols;
        for (std::int64_t h = 0; h < out.cols; ++h) sum[h] += gate * row[h];
      }
    }
  }

 private:
  struct cursor {
    std::int64_t row = 0;      // rows of the expert seen so far
    std::int64_t segment = 0;  // the segment that the last one fell into
  };

  static constexpr std::align_val_t alignment{256};

  // sum = (onto ? sum : 0) + the next four rows times their gates, in the order of the choices. Four
  // at a time, as a single stream of memory is slow, and `sum` would be read and written more often.
  template <class Row, class Gate>
  static void add_four(Row const* y, std::int64_t cols, std::int32_t const* slots,
                       Gate const* gates, bool onto, Row* sum) {
    Row const g[] = {static_cast<Row>(gates[0]), static_cast<Row>(gates[1]),
                     static_cast<Row>(gates[2]), static_cast<Row>(gates[3])};
    Row const* const r[] = {y + slots[0] * cols, y + slots[1] * cols, y + slots[2] * cols,
                            y + slots[3] * cols};
    auto const add = [&](auto start) {
      for (std::int64_t h = 0; h < cols; ++h)
        sum[h] = start(h) + g[0] * r[0][h] + g[1] * r[1][h] + g[2] * r[2][h] + g[3] * r[3][h];
    };
    if (onto)
      add([sum](std::int64_t h) { return sum[h]; });
    else
      add([](std::int64_t) { return Row{0}; });
  }

  std::vector<cursor> cursors_;
};
static_assert(device<host_device>);

}  // namespace llep
