// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#include <llep/concepts/training.hpp>

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
    for (std::int64_t t = 0; t < out.rows; ++t)
      add_rows(y, slots + t * gates.cols, gates.cols, out.row(t), out.cols,
               [gate = gates.row(t)](std::int64_t k) { return static_cast<Row>(gate[k]); });
  }

  // going back

  void zero(queue&, void* p, byte_count bytes) {
    if (bytes > 0) std::memset(p, 0, static_cast<std::size_t>(bytes));
  }

  template <class T>
    requires std::same_as<T, float> || std::same_as<T, double>
  void accumulate(queue&, T const* src, std::int64_t n, T* dst) {
    for (std::int64_t i = 0; i < n; ++i) dst[i] += src[i];
  }

  template <class Row, class Gate>
    requires(std::same_as<Row, float> || std::same_as<Row, double>) &&
            (std::same_as<Gate, float> || std::same_as<Gate, double>)
  void pack_scaled(queue&, matrix_ref<Row const> g, matrix_ref<Gate const> gates,
                   std::int32_t const* slots, Row* out) {
    for (std::int64_t t = 0; t < g.rows; ++t) {
      for (std::int64_t k = 0; k < gates.cols; ++k) {
        auto const gate = static_cast<Row>(gates.row(t)[k]);
        Row* const row = out + *slots++ * g.cols;
        for (std::int64_t h = 0; h < g.cols; ++h) row[h] = gate * g.row(t)[h];
      }
    }
  }

  template <class Row>
    requires std::same_as<Row, float> || std::same_as<Row, double>
  void sum(queue&, Row const* y, std::int32_t const* slots, std::int64_t choices,
           matrix_ref<Row> out) {
    for (std::int64_t t = 0; t < out.rows; ++t)
      add_rows(y, slots + t * choices, choices, out.row(t), out.cols,
               [](std::int64_t) { return Row{1}; });
  }

  template <class Row, class Gate>
    requires(std::same_as<Row, float> || std::same_as<Row, double>) &&
            (std::same_as<Gate, float> || std::same_as<Gate, double>)
  void gate_gradient(queue&, Row const* y, std::int32_t const* slots, matrix_ref<Row const> g,
                     matrix_ref<Gate> out) {
    for (std::int64_t t = 0; t < out.rows; ++t) {
      for (std::int64_t k = 0; k < out.cols; ++k) {
        Row const* const row = y + *slots++ * g.cols;
        Row total{0};
        for (std::int64_t h = 0; h < g.cols; ++h) total += g.row(t)[h] * row[h];
        out.row(t)[k] = static_cast<Gate>(total);
      }
    }
  }

 private:
  struct cursor {
    std::int64_t row = 0;      // rows of the expert seen so far
    std::int64_t segment = 0;  // the segment that the last one fell into
  };

  static constexpr std::align_val_t alignment{256};

  // sum = the rows at `slots` times their gates, in order of the choices. Four at a time, as a
  // single stream of memory is slow, and `sum` would be read and written more often.
  template <class Row, class Gates>
  static void add_rows(Row const* y, std::int32_t const* slots, std::int64_t choices, Row* sum,
                       std::int64_t cols, Gates gate) {
    std::int64_t k = 0;
    if (choices < 4) std::fill_n(sum, cols, Row{0});
    for (; k + 4 <= choices; k += 4) {
      Row const g[] = {gate(k), gate(k + 1), gate(k + 2), gate(k + 3)};
      Row const* const r[] = {y + slots[k] * cols, y + slots[k + 1] * cols, y + slots[k + 2] * cols,
                              y + slots[k + 3] * cols};
      auto const add = [&](auto start) {
        for (std::int64_t h = 0; h < cols; ++h)
          sum[h] = start(h) + g[0] * r[0][h] + g[1] * r[1][h] + g[2] * r[2][h] + g[3] * r[3][h];
      };
      if (k > 0)
        add([sum](std::int64_t h) { return sum[h]; });
      else
        add([](std::int64_t) { return Row{0}; });
    }
    for (; k < choices; ++k) {
      Row const g = gate(k);
      Row const* const row = y + slots[k] * cols;
      for (std::int64_t h = 0; h < cols; ++h) sum[h] += g * row[h];
    }
  }

  std::vector<cursor> cursors_;
};
static_assert(device<host_device>);
static_assert(trains_rows<host_device, float, float, float>);
static_assert(trains_rows<host_device, double, double, double>);

}  // namespace llep
