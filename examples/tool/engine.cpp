// SPDX-License-Identifier: Apache-2.0
#include "engine.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <CLI/CLI.hpp>

#include "input_error.hpp"
#include "options.hpp"

namespace llep::tool {
namespace {

constexpr std::array<std::string_view, 5> backends{"emulated", "kokkos", "mpi", "cuda", "nccl"};

// What `word` gives of the engines, each once.
template <class Word>
std::string listed(Word word) {
  std::vector<std::string> seen;
  std::string all;
  for (auto const& one : engines()) {
    std::string const text = word(one);
    if (text.empty() || std::find(seen.begin(), seen.end(), text) != seen.end()) continue;
    all += (all.empty() ? "" : ", ") + text;
    seen.push_back(text);
  }
  return all;
}

// What a backend is built with, where its name doesn't say it.
std::string needs_of(std::string const& backend) {
  if (backend == "cuda") return ", which needs nvcc and cuBLAS";
  if (backend == "nccl") return ", which needs NCCL, nvcc and cuBLAS";
  return "";
}

std::string kernels_of(std::string const& backend) {
  return listed([&](engine const& e) { return e.backend == backend ? e.kernel : std::string(); });
}

}  // namespace

engine find_engine(std::string const& backend, std::string const& kernel) {
  auto const built_in = engines();
  auto const found = std::find_if(built_in.begin(), built_in.end(), [&](engine const& e) {
    return e.backend == backend && (kernel.empty() || e.kernel == kernel);
  });
  if (found != built_in.end()) return *found;
  auto const own = kernels_of(backend);
  if (own.empty())
    throw input_error("--backend: " + backend + " is not built into this program, only " +
                      listed([](engine const& e) { return e.backend; }) +
                      "; configure with -D LLEP_BACKENDS=" + backend + needs_of(backend));
  bool const elsewhere = std::any_of(built_in.begin(), built_in.end(),
                                     [&](engine const& e) { return e.kernel == kernel; });
  throw input_error("--kernel: " + shown(kernel) + " is not built into this program for the " +
                    backend + " backend, only " + own +
                    (elsewhere ? ""
                               : "; where backends/NAME exists, configure with "
                                 "-D LLEP_BACKENDS=NAME"));
}

std::string fastest_kernel() {
  std::string fastest;
  for (auto const& one : engines())
    if (one.backend == default_backend) fastest = one.kernel;
  return fastest;
}

void add_backend_option(CLI::App& to, std::string& value) {
  add_word(to, "--backend", value, backends, "what the ranks are");
}

void add_kernel_option(CLI::App& to, std::string& value) {
  auto const keep = [&value](std::string const& given) {
    if (given.empty()) throw input_error("--kernel: must not be empty");
    value = given;
  };
  auto* const option = to.add_option_function<std::string>(
      "--kernel", keep,
      "what computes the experts: " + listed([](engine const& e) { return e.kernel; }));
  option->type_name("NAME");
  if (!value.empty()) option->default_str(value);
}

}  // namespace llep::tool
