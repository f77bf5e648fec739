// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include <llep/backends/cuda/device.cuh>
#include <llep/device/host.hpp>
#include <llep/testing/device.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/promise.hpp>
#include <llep/testing/training_device.hpp>

#include "arguments.hpp"
#include "report.hpp"
#include "seeds.hpp"

// The device on a GPU, against its contract: the library's suite for float and double; 16-bit rows
// against the host's in float.

namespace {

using namespace llep;
using namespace llep::bench;
using testing::at;
using testing::seeded;
using cuda_device = cuda::device<>;
template <class T>
using list = testing::on_device<cuda_device, T>;

/// What of a row of 16 bits is lost when it is rounded.
template <class Row>
constexpr double unit_roundoff = std::is_same_v<Row, cuda::half> ? 0x1p-11 : 0x1p-8;

template <class Row>
std::vector<Row> numbers(seeded& random, std::int64_t n) {
  std::vector<Row> all;
  for (; n > 0; --n)
    all.push_back(cuda::detail::stored<Row>(static_cast<float>(2 * random.real() - 1)));
  return all;
}
template <class Row>
std::vector<float> widened(std::vector<Row> const& rows) {
  std::vector<float> all;
  for (Row const x : rows) all.push_back(cuda::detail::loaded(x));
  return all;
}

/// Row operations on 16-bit rows: what the host computes of the same numbers in float, rounded.
template <class Row, class Gate>
class half_rows {
 public:
  half_rows(cuda_device& device, cuda::queue& q, std::uint64_t seed)
      : device_(device),
        q_(q),
        random_(seed),
        witness_("16-bit rows", seed),
        tokens_(random_.between(0, 40)),
        choices_(random_.between(1, 9)),
        hidden_(random_.chance(50) ? 8 * random_.between(1, 60) : random_.between(1, 500)),
        slots_(random_.order(tokens_ * choices_)),
        y_(numbers<Row>(random_, tokens_ * choices_ * hidden_)),
        g_(numbers<Row>(random_, tokens_ * hidden_)),
        wide_y_(widened(y_)),
        wide_g_(widened(g_)) {
    for (std::int64_t i = 0; i < tokens_ * choices_; ++i)
      gates_.push_back(static_cast<Gate>(2 * random_.real() - 1));
  }

  void check() {
    list<std::int32_t> const slots(device_, q_, slots_);
    list<Gate> const gates(device_, q_, gates_);
    list<Row> const y(device_, q_, y_);
    list<Row> const g(device_, q_, g_);
    list<Row> const out(device_, q_, poisoned(g_.size()));
    list<Row> const spread(device_, q_, poisoned(y_.size()));
    list<Gate> const by_gates(device_, q_, std::vector<Gate>(gates_.size(), Gate{-77}));
    matrix_ref<Row> const to(out.data(), tokens_, hidden_);
    matrix_ref<Row const> const upstream(g.data(), tokens_, hidden_);
    matrix_ref<Gate const> const gate(gates.data(), tokens_, choices_);

    device_.combine(q_, static_cast<Row const*>(y.data()), slots.data(), gate, to);
    same(out.read(), wide_combine(), "combine");
    device_.sum(q_, static_cast<Row const*>(y.data()), slots.data(), choices_, to);
    same(out.read(), wide_sum(), "sum");
    device_.pack_scaled(q_, upstream, gate, slots.data(), spread.data());
    same(spread.read(), wide_scaled(), "pack_scaled");
    device_.gate_gradient(q_, static_cast<Row const*>(y.data()), slots.data(), upstream,
                          matrix_ref<Gate>(by_gates.data(), tokens_, choices_));
    witness_.close(by_gates.read(), wide_gate_gradient(), 1e-5 * std::sqrt(double(hidden_)),
                   "gate_gradient");
  }

 private:
  static std::vector<Row> poisoned(std::size_t n) {
    return std::vector<Row>(n, cuda::detail::stored<Row>(std::numeric_limits<float>::quiet_NaN()));
  }
  void same(std::vector<Row> const& got, std::vector<float> const& expected, char const* what) {
    double const tolerance = 1.01 * unit_roundoff<Row>;
    witness_.close(widened(got), expected, tolerance, what);
  }

  [[nodiscard]] matrix_ref<Gate const> host_gates() const {
    return {gates_.data(), tokens_, choices_};
  }
  std::vector<float> wide_combine() {
    std::vector<float> out(g_.size());
    host_.combine(host_q_, static_cast<float const*>(wide_y_.data()), slots_.data(), host_gates(),
                  matrix_ref<float>(out.data(), tokens_, hidden_));
    return out;
  }
  std::vector<float> wide_sum() {
    std::vector<float> out(g_.size());
    host_.sum(host_q_, static_cast<float const*>(wide_y_.data()), slots_.data(), choices_,
              matrix_ref<float>(out.data(), tokens_, hidden_));
    return out;
  }
  std::vector<float> wide_scaled() {
    std::vector<float> out(y_.size());
    host_.pack_scaled(host_q_, matrix_ref<float const>(wide_g_.data(), tokens_, hidden_),
                      host_gates(), slots_.data(), out.data());
    return out;
  }
  std::vector<Gate> wide_gate_gradient() {
    std::vector<Gate> out(gates_.size());
    host_.gate_gradient(host_q_, static_cast<float const*>(wide_y_.data()), slots_.data(),
                        matrix_ref<float const>(wide_g_.data(), tokens_, hidden_),
                        matrix_ref<Gate>(out.data(), tokens_, choices_));
    return out;
  }

  cuda_device& device_;
  cuda::queue& q_;
  host_device host_;
  host_device::queue host_q_;
  seeded random_;
  testing::witness witness_;
  std::int64_t tokens_, choices_, hidden_;
  std::vector<std::int32_t> slots_;
  std::vector<Row> y_, g_;
  std::vector<float> wide_y_, wide_g_;
  std::vector<Gate> gates_;
};

void too_much_memory(cuda_device& device) {
  testing::witness const seen("device", 0);
  std::size_t free = 0;
  std::size_t total = 0;
  cuda::check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  bool thrown = false;
  try {
    device.deallocate(device.allocate(static_cast<byte_count>(total) * 2));
  } catch (std::bad_alloc const&) {
    thrown = true;
  }
  seen.holds(thrown, "more memory than there is is std::bad_alloc");
  auto q = device.make_queue();
  testing::check_device(device, q, 1);  // it goes on
}

void check_all(arguments const& given, report& to) {
  cuda_device device;
  auto q = device.make_queue();
  constexpr std::uint64_t many = 200;
  check_seeds(given, to, "device: conformance", many,
              [&](std::uint64_t seed) { testing::check_device(device, q, seed); });
  check_seeds(given, to, "device: going back, float", many, [&](std::uint64_t seed) {
    testing::check_training_device<float, float, float>(device, q, seed);
    testing::check_training_device<float, double, float>(device, q, seed);
  });
  check_seeds(given, to, "device: going back, double", many, [&](std::uint64_t seed) {
    testing::check_training_device<double, float, double>(device, q, seed);
    testing::check_training_device<double, double, double>(device, q, seed);
  });
  check_seeds(given, to, "device: bfloat16 rows", many, [&](std::uint64_t seed) {
    half_rows<cuda::bfloat16, float>(device, q, seed).check();
    half_rows<cuda::bfloat16, double>(device, q, seed).check();
  });
  check_seeds(given, to, "device: half rows", many, [&](std::uint64_t seed) {
    half_rows<cuda::half, float>(device, q, seed).check();
    half_rows<cuda::half, double>(device, q, seed).check();
  });
  to.check("device: out of memory, and on it goes", [&] { too_much_memory(device); });
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, check_all); }
