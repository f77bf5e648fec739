// SPDX-License-Identifier: Apache-2.0
#include "train/dense.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <vector>

namespace {

using llep::matrix_ref;
using numbers = std::vector<double>;

numbers random_numbers(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  numbers all(count);
  for (double& n : all) n = normal(random);
  return all;
}

double dot(numbers const& a, numbers const& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The gradient of `loss` by `x`, by differences.
numbers differences(numbers& x, std::function<double()> const& loss) {
  constexpr double step = 1e-6;
  numbers gradient;
  for (double& value : x) {
    double const kept = value;
    value = kept + step;
    double const above = loss();
    value = kept - step;
    double const below = loss();
    value = kept;
    gradient.push_back((above - below) / (2 * step));
  }
  return gradient;
}

void check_close(numbers const& got, numbers const& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    CHECK(std::abs(got[i] - expected[i]) <= 1e-7 * (1 + std::abs(expected[i])));
}

constexpr std::int64_t T = 3;
constexpr std::int64_t H = 5;
constexpr std::int64_t J = 4;

matrix_ref<double> rows(numbers& all, std::int64_t cols) {
  return {all.data(), std::ssize(all) / cols, cols};
}

TEST_CASE("train: the gradient of a product is that of its differences", "[train]") {
  auto x = random_numbers(T * H, 1);
  auto w = random_numbers(H * J, 2);
  auto gz = random_numbers(T * J, 3);
  numbers z(T * J);
  auto const loss = [&] {
    llep::train::multiply<double>(rows(x, H), w.data(), rows(z, J));
    return dot(z, gz);
  };
  numbers gx(T * H, 0.0);
  numbers gw(H * J, 0.0);
  llep::train::multiply_back<double>(rows(x, H), w.data(), rows(gz, J), rows(gx, H), gw.data());
  check_close(gx, differences(x, loss));
  check_close(gw, differences(w, loss));
}

TEST_CASE("train: the gradient of the norm is that of its differences", "[train]") {
  auto h = random_numbers(T * H, 4);
  auto gain = random_numbers(H, 5);
  auto gu = random_numbers(T * H, 6);
  numbers u(T * H);
  auto const loss = [&] {
    llep::train::normalise<double>(rows(h, H), gain.data(), rows(u, H));
    return dot(u, gu);
  };
  numbers gh(T * H, 0.0);
  numbers g_gain(H, 0.0);
  llep::train::normalise_back<double>(rows(h, H), gain.data(), rows(gu, H), rows(gh, H),
                                      g_gain.data());
  check_close(gh, differences(h, loss));
  check_close(g_gain, differences(gain, loss));
}

TEST_CASE("train: the gradient of the embedding is that of its differences", "[train]") {
  constexpr std::int64_t window = 2;
  std::vector<std::uint8_t> const context{0, 1, 2, 2, 1, 0};
  auto table = random_numbers(3 * H, 7);
  auto mix = random_numbers(window * H, 8);
  auto gh = random_numbers(T * H, 9);
  numbers h(T * H);
  auto const loss = [&] {
    llep::train::embed(context, window, table.data(), mix.data(), rows(h, H));
    return dot(h, gh);
  };
  numbers g_table(table.size(), 0.0);
  numbers g_mix(mix.size(), 0.0);
  llep::train::embed_back<double>(context, window, table.data(), mix.data(), rows(gh, H),
                                  g_table.data(), g_mix.data());
  check_close(g_table, differences(table, loss));
  check_close(g_mix, differences(mix, loss));
}

TEST_CASE("train: the gradient of the loss is that of its differences", "[train]") {
  std::vector<std::uint8_t> const next{3, 0, 2};
  auto z = random_numbers(T * J, 10);
  auto const loss = [&] {
    auto scratch = z;
    return llep::train::cross_entropy(rows(scratch, J), next, T) / T;
  };
  auto gradient = z;
  llep::train::cross_entropy(rows(gradient, J), next, T);
  check_close(gradient, differences(z, loss));
}

}  // namespace
