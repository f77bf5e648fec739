// SPDX-License-Identifier: Apache-2.0
#include "document.hpp"

#include <string>
#include <vector>

#include "../words.hpp"
#include "style.hpp"

namespace llep::tool {
namespace {

std::string element(std::string const& name, std::string const& inner) {
  return '<' + name + '>' + inner + "</" + name + '>';
}

std::string division(std::string const& look, std::string const& inner) {
  return "<div class=\"" + look + "\">" + inner + "</div>\n";
}

std::string table_row(std::string const& cell, std::vector<std::string> const& cells) {
  std::string inner;
  for (auto const& words : cells) inner += element(cell, words);
  return element("tr", inner) + '\n';
}

}  // namespace

std::string document(std::string const& title, std::string const& body) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
         "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>" +
         title + "</title>\n<style>" + std::string(page_style) +
         "</style>\n</head>\n<body>\n<main>\n" + body + "</main>\n</body>\n</html>\n";
}

std::string section(std::string const& heading, std::string const& inner) {
  return "<section>\n" + element("h2", heading) + '\n' + inner + "</section>\n";
}

std::string paragraph(std::string const& words) { return element("p", words) + '\n'; }

std::string note(std::string const& words) { return "<p class=\"note\">" + words + "</p>\n"; }

std::string definitions(named_words const& entries) {
  std::string inner;
  for (auto const& [name, words] : entries)
    inner += element("dt", name) + element("dd", words) + '\n';
  return element("dl", inner) + '\n';
}

std::string cards(named_words const& entries) {
  std::string inner;
  for (auto const& [number, words] : entries)
    inner += element("li", element("b", number) + element("span", words)) + '\n';
  return "<ul class=\"cards\">" + inner + "</ul>\n";
}

std::string legend(named_words const& entries) {
  std::string inner;
  for (auto const& [look, words] : entries) {
    bool const is_line = look.starts_with('k');
    inner += "<li><svg viewBox=\"0 0 32 16\" aria-hidden=\"true\">";
    inner +=
        "<path class=\"" + look + "\" d=\"" + (is_line ? "M0 8h32" : "M0 0h32v16h-32z") + "\"/>";
    inner += "</svg>" + words + "</li>\n";
  }
  return "<ul class=\"legend\">" + inner + "</ul>\n";
}

std::string table::html() const {
  std::string body;
  for (auto const& cells : rows) body += table_row("td", cells);
  return division(
      "wide", element("table", element("thead", table_row("th", heads)) + element("tbody", body)));
}

std::string figure(std::string const& title, std::string const& drawn, std::string const& caption) {
  return "<figure>\n" + element("h3", title) + '\n' + drawn + element("figcaption", caption) +
         "\n</figure>\n";
}

std::string figure_beside(std::string const& title, std::string const& drawn,
                          std::string const& caption) {
  return "<figure class=\"beside\">\n" + element("h3", title) + '\n' + drawn +
         element("figcaption", caption) + "\n</figure>\n";
}

std::string side_by_side(std::string const& parts) { return division("side", parts); }
std::string single(std::string const& part) { return division("single", part); }

std::string scrolling(std::string svg, double least_width) {
  svg.insert(4, " style=\"min-width:" + fixed(least_width, 0) + "px\"");
  return division("wide", svg);
}

}  // namespace llep::tool
