// SPDX-License-Identifier: Apache-2.0
// All headers, under hostile macros, in two translation units: both must compile, link together
// and mean the same.
#include "forward.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

llep::plan plan_elsewhere(llep::problem const& in);

namespace {

constexpr std::int32_t P = 4;
constexpr std::int32_t E = 8;
constexpr std::int64_t T = 64;  // on each rank
constexpr std::int64_t H = 16;

static_assert(llep::version_at_least(0, 1) && llep::version_at_least(0, 0, 9));
static_assert(!llep::version_at_least(0, 1, llep::version_patch + 1));
static_assert(!llep::version_at_least(0, llep::version_minor + 1));
static_assert(!llep::version_at_least(llep::version_major + 1, 0));

void require_that(bool ok, char const* what) {
  if (ok) return;
  std::fprintf(stderr, "headers: not true: %s\n", what);
  std::exit(1);
}

void run_rank(auto& group, std::span<llep::rank_id const> owner, llep::plan const& expected) {
  using kernel = llep::loops_kernel<llep::linear_expert<float>>;
  std::vector<float> const identity = [] {
    std::vector<float> w(H * H);
    for (std::size_t i = 0; i < w.size(); i += H + 1) w[i] = 1.0F;
    return w;
  }();
  kernel ffn({H}, std::vector<kernel::weight_blocks>(E, {identity.data()}));

  std::vector<float> x(T * H, 0.5F);
  std::vector<float> gates(T, 1.0F);
  std::vector<float> out(T * H);
  std::vector<std::int32_t> ids(T);  // everybody wants expert 0
  llep::host_device::queue q;
  auto moe =
      llep::make_dispatcher<kernel>(q, group, owner, llep::least_loaded{.min_chunk_rows = 16});
  moe.forward(q, ffn, llep::matrix_ref<float const>(x.data(), T, H),
              llep::matrix_ref<std::int32_t const>(ids.data(), T, 1),
              llep::matrix_ref<float const>(gates.data(), T, 1),
              llep::matrix_ref<float>(out.data(), T, H));
  require_that(out == x, "identity experts return what they got");
  require_that(moe.last_plan().spans == expected.spans, "both translation units plan alike");
  require_that(!expected.moves.empty(), "there is something to lend");
}

}  // namespace

int main() {
  std::string const version = std::to_string(llep::version_major) + '.' +
                              std::to_string(llep::version_minor) + '.' +
                              std::to_string(llep::version_patch);
  require_that(llep::version_string == version, "the version's string and numbers agree");

  auto const owner = llep::contiguous_owners(E, P);
  std::vector<llep::row_count> load(E);
  load[0] = P * T;
  llep::plan const expected = plan_elsewhere({P, owner, load, {}});
  llep::emulated::run(P, [&](auto& group) { run_rank(group, owner, expected); });
}
