// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace llep::tool {

/// Text from outside, fit for any place of a page: `<>&"'` as entities; controls, marks that turn
/// the direction of writing, and what isn't UTF-8 as U+FFFD; cut after 300 characters.
[[nodiscard]] std::string escaped(std::string_view text);

}  // namespace llep::tool
