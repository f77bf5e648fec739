// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace llep::bench {

/// A JSON object, written as its fields come.
class json_object {
 public:
  json_object& add(std::string_view key, std::string_view value) { return put(key, quoted(value)); }
  json_object& add(std::string_view key, char const* value) { return put(key, quoted(value)); }
  json_object& add(std::string_view key, json_object const& value) {
    return put(key, value.text());
  }
  json_object& add(std::string_view key, std::same_as<bool> auto value) {
    return put(key, value ? "true" : "false");
  }
  json_object& add(std::string_view key, std::integral auto value)
    requires(!std::same_as<decltype(value), bool>)
  {
    return put(key, std::to_string(value));
  }
  /// JSON has no word for what isn't finite: null.
  json_object& add(std::string_view key, double value) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.6g", value);
    return put(key, std::isfinite(value) ? digits : "null");
  }

  [[nodiscard]] std::string text() const { return '{' + fields_ + '}'; }

 private:
  static std::string quoted(std::string_view value) {
    std::string out = "\"";
    for (char const c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out + '"';
  }
  json_object& put(std::string_view key, std::string_view value) {
    if (!fields_.empty()) fields_ += ", ";
    fields_ += quoted(key) + ": ";
    fields_ += value;
    return *this;
  }

  std::string fields_;
};

/// A number, and what it is held against. `ratio` is the better the larger: a rate over the other
/// side's rate, or the other side's time over a time.
struct figure {
  std::string name;
  std::string unit;
  double ours = 0;
  std::string other_name{};  ///< empty: stands alone
  double other = 0;
  double ratio = 0;
  std::optional<double> target{};  ///< of the ratio
  std::string note{};              ///< for the table
};

/// ours and other are rates, or both are speedups.
[[nodiscard]] inline figure rate_against(std::string name, std::string unit, double ours,
                                         std::string other_name, double other,
                                         std::optional<double> target = std::nullopt) {
  return {std::move(name), std::move(unit), ours,   std::move(other_name),
          other,           ours / other,    target, {}};
}
/// ours and other are times.
[[nodiscard]] inline figure time_against(std::string name, std::string unit, double ours,
                                         std::string other_name, double other,
                                         std::optional<double> target = std::nullopt) {
  return {std::move(name), std::move(unit), ours,   std::move(other_name),
          other,           other / ours,    target, {}};
}
/// A time that is wanted to be at most so long.
[[nodiscard]] inline figure time_below(std::string name, std::string unit, double ours,
                                       double limit) {
  return time_against(std::move(name), std::move(unit), ours, "wanted", limit, 1.0);
}

/// Writes what is found: JSON lines to a file, and lines of a table to another, at once, so that a
/// program that hangs later has told. gpu_check.sh joins them.
class report {
 public:
  /// @param path of the JSON lines; the table's is the same with ".table". Empty: only the table,
  ///        on standard output.
  /// @param judges whether targets mean anything
  report(std::string const& path, bool judges) : judges_(judges) {
    if (path.empty()) return;
    json_.open(path, std::ios::app);
    table_.open(path + ".table", std::ios::app);
    if (!json_ || !table_) throw std::runtime_error(path + ": can't be written");
  }

  /// Runs what throws where a promise is broken.
  template <class F>
  void check(std::string const& name, F f) {
    try {
      f();
      outcome(name, "passed", "");
    } catch (std::exception const& e) {
      failed_ = true;
      outcome(name, "FAILED", e.what());
    }
  }
  void skipped(std::string const& name, std::string const& why) { outcome(name, "SKIPPED", why); }

  /// @param sizes what was measured   @param more further numbers
  void add(figure f, json_object const& sizes, json_object const& more = {}) {
    if (!judges_) f.target.reset();
    json_object line;
    line.add("bench", f.name).add("sizes", sizes).add("unit", f.unit).add("ours", f.ours);
    if (!f.other_name.empty())
      line.add("other", f.other_name).add("other_value", f.other).add("ratio", f.ratio);
    if (f.target) line.add("target", *f.target).add("met", f.ratio >= *f.target);
    write(line.add("more", more), table_line(f));
  }
  /// What there was no time or memory for.
  void not_run(std::string const& name, std::string const& why) {
    write(json_object().add("bench", name).add("not_run", why), "  " + padded(name, 58) + why);
  }

  [[nodiscard]] int exit_code() const { return failed_ ? 1 : 0; }

 private:
  void outcome(std::string const& name, std::string const& what, std::string const& detail) {
    write(json_object().add("check", name).add("outcome", what).add("detail", detail),
          "  " + padded(name, 58) + what + (detail.empty() ? "" : ": " + detail));
  }

  static std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(text.size() + 1, width), ' ');
    return text;
  }
  static std::string table_line(figure const& f) {
    char numbers[160];
    if (f.other_name.empty())
      std::snprintf(numbers, sizeof numbers, "%10.4g %s", f.ours, f.unit.c_str());
    else
      std::snprintf(numbers, sizeof numbers, "%10.4g %-8s %-14s %10.4g  ratio %6.3f", f.ours,
                    f.unit.c_str(), f.other_name.c_str(), f.other, f.ratio);
    std::string line = "  " + padded(f.name, 58) + numbers;
    if (f.target) {
      std::snprintf(numbers, sizeof numbers, "  >= %.3f  %-6s", *f.target,
                    f.ratio >= *f.target ? "met" : "MISSED");
      line += numbers;
    }
    return f.note.empty() ? line : line + "  " + f.note;
  }
  void write(json_object const& line, std::string const& shown) {
    std::printf("%s\n", shown.c_str());
    std::fflush(stdout);
    if (!json_.is_open()) return;
    json_ << line.text() << std::endl;
    table_ << shown << std::endl;
  }

  std::ofstream json_, table_;
  bool judges_;
  bool failed_ = false;
};

}  // namespace llep::bench
