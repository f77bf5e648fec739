// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "document.hpp"

namespace llep::tool {

/// For a reader who doesn't know the library.
[[nodiscard]] inline std::string explanation() {
  return section(
      "What this page shows",
      paragraph(
          "In a Mixture-of-Experts layer a router sends every token to K of E experts; each "
          "such choice is a <b>row</b> of work. Under standard <b>expert parallelism (EP)</b> "
          "the experts are spread over P ranks (processes, usually a GPU each), and a rank "
          "computes all rows of its own experts. Real routing is uneven: some ranks get many "
          "more rows than others, and all wait for the busiest one.") +
          paragraph("<b>Least-loaded expert parallelism (LLEP)</b>, arXiv 2601.17111, makes a plan "
                    "for every step from the exact loads. A rank with too many rows <b>lends</b> "
                    "weights of its experts, for this step, to ranks with few, which compute some "
                    "of these experts\u2019 rows. The outputs stay the same.") +
          definitions({{"max/mean",
                        "the busiest rank\u2019s rows over the mean of all ranks: at 1 "
                        "all are equally busy, at 2 the step takes about twice as long "
                        "as it had to"},
                       {"lent", "an expert whose weights go to another rank for this step"},
                       {"moved", "a row computed by another rank than its expert\u2019s owner"}}));
}

}  // namespace llep::tool
