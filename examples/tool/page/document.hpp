// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace llep::tool {

// The parts of a page. Strings are markup already: text from outside has gone through `escaped`.

/// The whole file: nothing else is needed to show it. Well-formed as XML, too.
[[nodiscard]] std::string document(std::string const& title, std::string const& body);

[[nodiscard]] std::string section(std::string const& heading, std::string const& inner);
[[nodiscard]] std::string paragraph(std::string const& words);
/// A paragraph that doesn't stand out.
[[nodiscard]] std::string note(std::string const& words);

/// What stands for what.
using named_words = std::vector<std::pair<std::string, std::string>>;

[[nodiscard]] std::string definitions(named_words const& entries);
/// Key numbers: the number, then what it is.
[[nodiscard]] std::string cards(named_words const& entries);
/// Which look stands for what; the looks are those of a drawing's rectangles or lines.
[[nodiscard]] std::string legend(named_words const& entries);

/// Scrolls in its own box where it is too wide.
struct table {
  std::vector<std::string> heads;
  std::vector<std::vector<std::string>> rows;

  [[nodiscard]] std::string html() const;
};

/// @param drawn drawings, tables, a legend
[[nodiscard]] std::string figure(std::string const& title, std::string const& drawn,
                                 std::string const& caption);
/// The same for a single drawing: what is said about it stands beside it where there is room.
[[nodiscard]] std::string figure_beside(std::string const& title, std::string const& drawn,
                                        std::string const& caption);
/// As many beside each other as there is room for.
[[nodiscard]] std::string side_by_side(std::string const& parts);
/// A drawing that is not to grow to the page's width.
[[nodiscard]] std::string single(std::string const& part);
/// A drawing that is never narrower than that many pixels, and scrolls in its own box if need be.
[[nodiscard]] std::string scrolling(std::string svg, double least_width);

}  // namespace llep::tool
