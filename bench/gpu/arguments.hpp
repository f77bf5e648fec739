// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include "report.hpp"

namespace llep::bench {

/// How much is measured.
enum class extent {
  tiny,   ///< sizes that mean nothing: to see that a program runs through
  quick,  ///< real sizes, the most important of them
  usual,
  full,  ///< all, whatever time it takes
};

struct arguments {
  extent how = extent::usual;
  std::string out{};    ///< where JSON lines are added; empty: nowhere
  double seconds = 60;  ///< after which nothing new is begun

  [[nodiscard]] bool tiny() const { return how == extent::tiny; }
  /// One or the other.
  template <class T>
  [[nodiscard]] T sized(T real, T for_tiny) const {
    return tiny() ? for_tiny : real;
  }
};

inline constexpr char usage[] =
    "usage: PROGRAM [--tiny | --quick | --full] [--out FILE] [--seconds N]\n"
    "  --tiny       sizes that mean nothing, to see that it runs\n"
    "  --quick      only what is most important\n"
    "  --full       all there is\n"
    "  --out FILE   JSON lines are added to it, and lines of a table to FILE.table\n"
    "  --seconds N  begin nothing new after so long (60)\n";

/// @throws std::invalid_argument that says what is wrong
[[nodiscard]] inline arguments parse(int argc, char** argv) {
  arguments a;
  for (int i = 1; i < argc; ++i) {
    std::string_view const word = argv[i];
    auto const value = [&]() -> std::string {
      if (i + 1 == argc) throw std::invalid_argument(std::string(word) + " needs a value");
      return argv[++i];
    };
    if (word == "--tiny")
      a.how = extent::tiny;
    else if (word == "--quick")
      a.how = extent::quick;
    else if (word == "--full")
      a.how = extent::full;
    else if (word == "--out")
      a.out = value();
    else if (word == "--seconds") {
      auto const text = value();
      char* end = nullptr;
      a.seconds = std::strtod(text.c_str(), &end);
      if (*end != '\0' || !(a.seconds > 0))
        throw std::invalid_argument("--seconds: not a number above 0: " + text);
    } else {
      throw std::invalid_argument("no such option: " + std::string(word));
    }
  }
  return a;
}

/// What a program may still begin.
class time_budget {
 public:
  explicit time_budget(double seconds) : seconds_(seconds) {}
  [[nodiscard]] bool is_left() const {
    std::chrono::duration<double> const gone = std::chrono::steady_clock::now() - began_;
    return gone.count() < seconds_;
  }

 private:
  double seconds_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// A program's main: body(arguments, report). Exit 1: a check failed, or it couldn't go on; 2: bad
/// usage.
template <class Body>
int run_program(int argc, char** argv, Body body) {
  arguments given;
  try {
    given = parse(argc, argv);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n%s", e.what(), usage);
    return 2;
  }
  try {
    report to(given.out, !given.tiny());
    body(given, to);
    return to.exit_code();
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
    return 1;
  }
}

}  // namespace llep::bench
