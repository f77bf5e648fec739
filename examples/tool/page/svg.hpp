// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "../words.hpp"
#include "markup.hpp"

namespace llep::tool {

/// A length or position in a drawing: a tenth of a unit is fine enough.
[[nodiscard]] inline std::string units(double value) {
  std::string text = fixed(value, 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

/// All charts are of this width: a phone shows a unit as about a pixel, so text stays legible.
inline constexpr double chart_width = 360;

/// A drawing in SVG. Looks are classes of the page's style.
class drawing {
 public:
  drawing(double width, double height) : width_(width), height_(height) {}

  void rect(std::string_view look, double x, double y, double width, double height) {
    if (width < thinnest || height < thinnest) return;
    open("rect", look);
    number("x", x).number("y", y).number("width", width).number("height", height);
    inner_ += "/>";
  }
  void line(std::string_view look, double x1, double y1, double x2, double y2) {
    path(look, 'M' + units(x1) + ' ' + units(y1) + 'L' + units(x2) + ' ' + units(y2));
  }
  /// `steps` is the path's `d`.
  void path(std::string_view look, std::string_view steps) {
    if (steps.empty()) return;
    open("path", look);
    inner_.append(" d=\"").append(steps).append("\"/>");
  }
  void text(std::string_view look, double x, double y, std::string_view words) {
    open("text", look);
    number("x", x).number("y", y);
    inner_.append(">").append(escaped(words)).append("</text>");
  }

  /// @param label says in words what one sees
  [[nodiscard]] std::string svg(std::string_view label) const {
    return "<svg viewBox=\"0 0 " + units(width_) + ' ' + units(height_) +
           "\" role=\"img\" aria-label=\"" + escaped(label) + "\">" + inner_ + "</svg>\n";
  }

 private:
  static constexpr double thinnest = 0.05;  // below it a length is written as 0

  void open(std::string_view element, std::string_view look) {
    inner_.append("<").append(element);
    if (!look.empty()) inner_.append(" class=\"").append(look).append("\"");
  }
  drawing& number(std::string_view name, double value) {
    inner_.append(" ").append(name).append("=\"").append(units(value)).append("\"");
    return *this;
  }

  double width_;
  double height_;
  std::string inner_;
};

}  // namespace llep::tool
