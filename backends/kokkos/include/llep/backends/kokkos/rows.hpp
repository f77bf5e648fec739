// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <Kokkos_Core.hpp>

#include <llep/backends/kokkos/space.hpp>
#include <llep/concepts/device.hpp>
#include <llep/shape.hpp>

namespace llep::kokkos::detail {

// What is done with whole rows, a team each.

struct alignas(16) word16 {
  std::uint64_t low, high;
};

/// Calls f with a null pointer to the widest word that all these addresses and sizes are multiples
/// of. Hosts copy bytes by memcpy.
template <class Space, class F>
void with_word(std::uint64_t together, F f) {
  if constexpr (on_host<Space>)
    f(static_cast<std::byte*>(nullptr));
  else if (together % 16 == 0)
    f(static_cast<word16*>(nullptr));
  else if (together % 8 == 0)
    f(static_cast<std::uint64_t*>(nullptr));
  else if (together % 4 == 0)
    f(static_cast<std::uint32_t*>(nullptr));
  else if (together % 2 == 0)
    f(static_cast<std::uint16_t*>(nullptr));
  else
    f(static_cast<std::byte*>(nullptr));
}
inline std::uint64_t bits(void const* p) { return reinterpret_cast<std::uintptr_t>(p); }
inline std::uint64_t bits(byte_count n) { return static_cast<std::uint64_t>(n); }

template <class Space, class Word>
KOKKOS_FUNCTION void copy_words(team_member<Space> const& team, std::byte* to,
                                std::byte const* from, byte_count bytes) {
  if constexpr (on_host<Space>) {
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
  } else {
    auto* const out = reinterpret_cast<Word*>(to);
    auto const* const in = reinterpret_cast<Word const*>(from);
    constexpr auto size = static_cast<byte_count>(sizeof(Word));
    Kokkos::parallel_for(Kokkos::TeamVectorRange(team, bytes / size),
                         [&](byte_count i) { out[i] = in[i]; });
  }
}

/// Row i / K goes to slot i.
template <class Space, class Word>
struct pack_rows {
  std::byte const* x;
  byte_count row_bytes, stride_bytes;
  std::int64_t choices;
  std::int32_t const* slots;
  std::byte* out;
  std::int64_t first = 0;

  KOKKOS_FUNCTION void operator()(team_member<Space> const& team) const {
    std::int64_t const i = first + team.league_rank();
    copy_words<Space, Word>(team, out + slots[i] * row_bytes, x + i / choices * stride_bytes,
                            row_bytes);
  }
};

/// Chunks may be long and few, so several teams share one.
template <class Space, class Word>
struct move_chunk {
  static constexpr std::int64_t parts = on_host<Space> ? 1 : 64;

  std::byte const* src;
  byte_count row_bytes;
  row_chunk const* chunks;
  std::byte* dst;
  std::int64_t first = 0;

  KOKKOS_FUNCTION void operator()(team_member<Space> const& team) const {
    std::int64_t const i = first + team.league_rank();
    row_chunk const chunk = chunks[i / parts];
    std::int64_t const begin = chunk.rows * (i % parts) / parts;
    std::int64_t const end = chunk.rows * (i % parts + 1) / parts;
    copy_words<Space, Word>(team, dst + (chunk.to + begin) * row_bytes,
                            src + (chunk.from + begin) * row_bytes, (end - begin) * row_bytes);
  }
};

/// The gates of a matrix, and the ones that `sum` multiplies by.
template <class Sum, class Gate>
struct matrix_gates {
  matrix_ref<Gate const> gates;
  [[nodiscard]] KOKKOS_FUNCTION Sum operator()(std::int64_t t, std::int64_t k) const {
    return static_cast<Sum>(gates.data[t * gates.stride + k]);
  }
};
template <class Sum>
struct no_gates {
  [[nodiscard]] KOKKOS_FUNCTION Sum operator()(std::int64_t, std::int64_t) const { return Sum{1}; }
};

/// out[t] = sum over k, ascending, of gates(t, k) x y[slots[t x K + k]].
template <class Space, class Row, class Gates>
struct add_rows {
  using sum_type = accumulator_t<Row>;

  Row const* y;
  std::int32_t const* slots;
  std::int64_t choices;
  Gates gates;
  matrix_ref<Row> out;
  std::int64_t first = 0;

  KOKKOS_FUNCTION void operator()(team_member<Space> const& team) const {
    std::int64_t const t = first + team.league_rank();
    Row* const to = out.data + t * out.stride;
    for_strips<Space>(team, out.cols, [&](std::int64_t begin, std::int64_t n) {
      sum_type sum[strip_columns<Space>];
      for (std::int64_t j = 0; j < n; ++j) sum[j] = 0;
      for (std::int64_t k = 0; k < choices; ++k) {
        sum_type const gate = gates(t, k);
        Row const* const row = y + slots[t * choices + k] * out.cols + begin;
        for (std::int64_t j = 0; j < n; ++j) sum[j] += gate * static_cast<sum_type>(row[j]);
      }
      for (std::int64_t j = 0; j < n; ++j) to[begin + j] = static_cast<Row>(sum[j]);
    });
  }
};

/// out row slots[t x K + k] = gates[t][k] x g[t].
template <class Space, class Row, class Gate>
struct scale_rows {
  using sum_type = accumulator_t<Row>;

  matrix_ref<Row const> g;
  matrix_ref<Gate const> gates;
  std::int32_t const* slots;
  Row* out;
  std::int64_t first = 0;

  KOKKOS_FUNCTION void operator()(team_member<Space> const& team) const {
    std::int64_t const i = first + team.league_rank();
    std::int64_t const t = i / gates.cols;
    auto const gate = static_cast<sum_type>(gates.data[t * gates.stride + i % gates.cols]);
    Row const* const from = g.data + t * g.stride;
    Row* const to = out + slots[i] * g.cols;
    for_strips<Space>(team, g.cols, [&](std::int64_t begin, std::int64_t n) {
      for (std::int64_t h = begin; h < begin + n; ++h)
        to[h] = static_cast<Row>(gate * static_cast<sum_type>(from[h]));
    });
  }
};

/// out[t][k] = g[t] y[slots[t x K + k]]; the order of the sum is a thread's.
template <class Row, class Gate>
struct multiply_rows {
  using sum_type = accumulator_t<Row>;

  Row const* y;
  std::int32_t const* slots;
  matrix_ref<Row const> g;
  matrix_ref<Gate> out;

  KOKKOS_FUNCTION void operator()(std::int64_t i) const {
    std::int64_t const t = i / out.cols;
    Row const* const a = g.data + t * g.stride;
    Row const* const b = y + slots[i] * g.cols;
    sum_type sum = 0;
    for (std::int64_t h = 0; h < g.cols; ++h)
      sum += static_cast<sum_type>(a[h]) * static_cast<sum_type>(b[h]);
    out.data[t * out.stride + i % out.cols] = static_cast<Gate>(sum);
  }
};

/// dst[i] += src[i]; item s is a strip.
template <class Space, class T>
struct add_strip {
  T const* src;
  std::int64_t n;
  T* dst;

  KOKKOS_FUNCTION void operator()(std::int64_t s) const {
    std::int64_t const begin = s * strip_columns<Space>;
    std::int64_t const end = n - begin < strip_columns<Space> ? n : begin + strip_columns<Space>;
    for (std::int64_t i = begin; i < end; ++i) dst[i] += src[i];
  }
};

}  // namespace llep::kokkos::detail
