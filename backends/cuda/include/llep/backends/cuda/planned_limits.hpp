// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <llep/backends/cuda/planned_block.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::cuda {

/// What a rank has room for.
struct planned_limits {
  row_count rows = 0;             ///< that it computes in a step, below 2^31
  std::int32_t lent_experts = 0;  ///< to it
  std::int64_t tokens = 0;        ///< of its own, T
  std::int64_t choices = 1;       ///< K; T x K is below 2^31
};

/// A rank's tokens in one step: T x H in and out, T x K expert ids and gate weights.
template <class Row, class Id, class Gate>
struct planned_batch {
  matrix_ref<Row const> hidden;
  matrix_ref<Id const> ids;
  matrix_ref<Gate const> gates;
  matrix_ref<Row> out;
};

namespace detail {

/// @throws llep::error (invalid_argument)
inline void check_limits(planned_limits const& most) {
  constexpr auto most_slots = std::int64_t{(std::numeric_limits<std::int32_t>::max)()};
  expects(most.rows >= 0 && most.rows <= most_slots,
          "cuda: planned_limits: rows must be at least 0 and below 2^31");
  expects(most.lent_experts >= 0, "cuda: planned_limits: lent_experts must be at least 0");
  expects(most.choices >= 1, "cuda: planned_limits: choices must be at least 1");
  expects(most.tokens >= 0 && most.tokens <= most_slots / most.choices,
          "cuda: planned_limits: tokens must be at least 0, and tokens x choices below 2^31");
}

/// A status as the error that it stands for; that of a bad id has the text that a dispatcher's has.
[[nodiscard]] inline std::optional<error> error_of(plan_status const& last, std::int64_t choices,
                                                   std::int32_t experts) {
  auto const lacks_room = [&](std::string_view what) {
    return error(errc::device,
                 "cuda: planned_layer: gets " + std::to_string(last.value) + " " +
                     std::string(what) + ", and has room for " + std::to_string(last.position),
                 last.rank);
  };
  switch (last.outcome) {
    case plan_outcome::ok:
      break;
    case plan_outcome::bad_id:
      return error(errc::invalid_argument,
                   "ids: token " + std::to_string(last.position / choices) + ", choice " +
                       std::to_string(last.position % choices) + " names expert " +
                       std::to_string(last.value) + ", not one of 0 to " +
                       std::to_string(experts - 1),
                   last.rank);
    case plan_outcome::too_many_rows:
      return lacks_room("rows to compute");
    case plan_outcome::too_many_lent:
      return lacks_room("experts lent to it");
  }
  return std::nullopt;
}

}  // namespace detail

}  // namespace llep::cuda
