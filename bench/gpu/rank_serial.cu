// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <new>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/planner/standard_ep.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/row_order/local_first.hpp>

#include "arguments.hpp"
#include "rank_run.cuh"
#include "report.hpp"
#include "scenarios.hpp"
#include "step_model.hpp"

// Steps of P = 8 ranks, each rank's real kernels at real sizes, one rank after the other on one
// GPU; what ranks wait for each other and for transfers is modelled. bench/gpu/README.md says how.

namespace {

using namespace llep;
using namespace llep::bench;

constexpr std::int32_t ranks = 8;
constexpr std::array networks{network{10, 370}, network{10, 450}};  // the first is the table's
constexpr double least_of_floor = 0.93;
constexpr double least_balanced = 0.995;

using lending = fallback<least_loaded>;

/// What a plan's step was measured to take, rank by rank.
struct measured_step {
  plan made;
  std::vector<rank_phases> phases;
  std::vector<row_count> rows;
  std::vector<bool> alike;  ///< as one measured before in this cell, whose times it has
  step_traffic busiest;
  byte_count rows_sent = 0;
};

struct not_measured {
  std::string why;
};

/// All steps of one layer in one scenario.
template <class K, class Family>
class layer_steps {
 public:
  layer_steps(arguments const& given, cuda::device<>& device, cuda::queue& q, layer_shape const& s,
              Family const& family, scenario const& in)
      : given_(given),
        shape_(s),
        posed_(ranks, s.rows(), s.experts, in),
        run_(device, q, s, family, ranks,
             given.sized(byte_count{256} << 20U, byte_count{1} << 16U)) {
    run_.set_ids(random_ids(rows_by_expert(s.rows(), s.experts, in), 3));
    agree_us_ = run_.count_us();
  }

  template <planner P, row_order R>
  [[nodiscard]] measured_step measure(P const& policy, R const& order) {
    problem const in = posed_.view();
    auto d = decide(in, policy, order);
    measured_step m;
    for (rank_id r = 0; r < ranks; ++r) {
      schedule steps;
      steps.build(in, d.made, d.pieces, r);
      m.rows.push_back(steps.rows_computed(r));
      rank_work const work(steps, r);
      auto const same = std::find_if(known_.begin(), known_.end(),
                                     [&](auto const& k) { return k.first == work; });
      m.alike.push_back(same != known_.end());
      if (same == known_.end()) {
        check_room(steps, r);
        known_.emplace_back(work, run_.measure(steps, d.made, r, rounds()));
      }
      m.phases.push_back(m.alike.back() ? same->second : known_.back().second);
      m.phases.back().agree = agree_us_ + d.us;
    }
    add_traffic(m, d);
    return m;
  }

  /// max / mean of the ranks' rows under standard EP.
  [[nodiscard]] double bound() const {
    std::vector<row_count> by_rank(ranks, 0);
    auto const& load = posed_.load;
    for (std::size_t e = 0; e < load.size(); ++e)
      by_rank[static_cast<std::size_t>(posed_.owner[e])] += load[e];
    auto const all = std::accumulate(load.begin(), load.end(), row_count{0});
    return static_cast<double>(*std::max_element(by_rank.begin(), by_rank.end())) * ranks /
           static_cast<double>(all);
  }

 private:
  [[nodiscard]] int rounds() const {
    if (given_.tiny()) return 1;
    return given_.how == extent::full ? 5 : 3;
  }
  void check_room(schedule const& steps, rank_id r) const {
    byte_count const need = run_.need_bytes(steps, r);
    if (!run_.has_room(need))
      throw not_measured{"rank " + std::to_string(r) + " needs " + std::to_string(need >> 30U) +
                         " GiB besides weights"};
  }
  void add_traffic(measured_step& m, decision& d) const {
    constexpr auto element = static_cast<byte_count>(sizeof(bf16));
    byte_count const expert = 3 * shape_.hidden * shape_.inner * element;  // biases are nothing
    auto const rows = rows_sent(ranks, d.pieces, shape_.hidden * element);
    m.busiest = {rows.busiest(), weights_sent(ranks, d.made, expert).busiest()};
    m.rows_sent = rows.total();
    m.made = std::move(d.made);
  }

  arguments const& given_;
  layer_shape shape_;
  posed_problem posed_;
  rank_runner<K, Family> run_;
  /// Under EP and LLEP, in either row order: where plans agree, no noise tells them apart.
  std::vector<std::pair<rank_work, rank_phases>> known_;
  double agree_us_ = 0;
};

json_object by_rank(measured_step const& m) {
  json_object all;
  for (std::size_t r = 0; r < m.phases.size(); ++r) {
    rank_phases const& p = m.phases[r];
    json_object one;
    one.add("rows", m.rows[r]).add("measured", !m.alike[r]).add("agree", p.agree);
    one.add("prepare", p.prepare).add("own", p.own).add("regroup", p.regroup);
    one.add("native", p.native).add("lent", p.lent).add("gather", p.gather);
    all.add("rank" + std::to_string(r), one.add("own_back", p.own_back).add("combine", p.combine));
  }
  return all;
}

/// One cell's step under EP, and under LLEP.
struct pair_of_steps {
  std::string name;
  layer_shape shape;
  scenario in;
  double bound;
  bool is_the_papers;  ///< else an ablation
  measured_step const& ep;
  measured_step const& llep;
};

/// The speedup in the paper.
std::optional<double> paper_of(pair_of_steps const& c) {
  return c.is_the_papers ? paper_speedup(c.shape.name, c.in) : std::nullopt;
}

json_object details(pair_of_steps const& c) {
  json_object more;
  more.add("bound", c.bound).add("moves", std::ssize(c.llep.made.moves));
  if (auto const paper = paper_of(c)) more.add("paper_speedup", *paper);
  for (network const& by : networks) {
    auto const ep = model_step(c.ep.phases, c.ep.busiest, by);
    auto const llep = model_step(c.llep.phases, c.llep.busiest, by);
    double const floor = floor_us({c.ep.phases, c.ep.rows}, c.llep.busiest, by);
    json_object at;
    at.add("ep_ms", ep.step / 1e3).add("llep_ms", llep.step / 1e3).add("floor_ms", floor / 1e3);
    at.add("speedup", ep.step / llep.step).add("floor_speedup", ep.step / floor);
    at.add("llep_weights_in_ms", llep.weights_in / 1e3);
    at.add("llep_dispatched_ms", llep.dispatched / 1e3);
    at.add("llep_computed_ms", llep.computed / 1e3);
    char name[32];
    std::snprintf(name, sizeof name, "%.0f GB/s", by.gigabytes_per_s);
    more.add(name, at);
  }
  more.add("ep_busiest_rows_bytes", c.ep.busiest.rows).add("ep_rows_bytes", c.ep.rows_sent);
  more.add("llep_busiest_rows_bytes", c.llep.busiest.rows).add("llep_rows_bytes", c.llep.rows_sent);
  more.add("llep_busiest_weight_bytes", c.llep.busiest.weights);
  return more.add("ep_us", by_rank(c.ep)).add("llep_us", by_rank(c.llep));
}

void tell(report& to, pair_of_steps const& c) {
  auto const& by = networks.front();
  double const ep = model_step(c.ep.phases, c.ep.busiest, by).step;
  double const llep = model_step(c.llep.phases, c.llep.busiest, by).step;
  double const floor = floor_us({c.ep.phases, c.ep.rows}, c.llep.busiest, by);
  bool const lends = !c.llep.made.moves.empty();
  // ablations balance less on purpose, or leave nothing to gain: no target
  auto const wanted = [&c](double ratio) {
    return c.is_the_papers ? std::optional(ratio) : std::nullopt;
  };
  figure f =
      lends ? rate_against(c.name, "x EP", ep / llep, "floor", ep / floor, wanted(least_of_floor))
            : rate_against(c.name, "x EP", ep / llep, "EP", 1, wanted(least_balanced));
  char note[120];
  std::snprintf(note, sizeof note, "EP %.2f ms, LLEP %.2f ms, bound %.2f", ep / 1e3, llep / 1e3,
                c.bound);
  f.note = note;
  if (auto const paper = paper_of(c)) {
    std::snprintf(note, sizeof note, ", paper %.2f", *paper);
    f.note += note;
  }
  to.add(f,
         json_object()
             .add("T", c.shape.tokens)
             .add("E", c.shape.experts)
             .add("K", c.shape.choices)
             .add("H", c.shape.hidden)
             .add("F", c.shape.inner)
             .add("P", ranks),
         details(c));
}

/// Something to measure.
struct cell {
  std::string name;
  layer_shape shape;
  scenario in;
  lending policy{};
  bool is_the_papers = true;  ///< else an ablation, in one row order
};

/// EP, then LLEP with each row order.
template <class Layer>
void run_cell(Layer& layer, report& to, cell const& c) {
  auto const ep = layer.measure(standard_ep{}, global_order{});
  auto const one = [&](char const* order, measured_step const& llep) {
    tell(to, {c.name + order, c.shape, c.in, layer.bound(), c.is_the_papers, ep, llep});
  };
  one("/global", layer.measure(c.policy, global_order{}));
  if (c.is_the_papers && c.in.percent > 0)
    one("/local_first", layer.measure(c.policy, local_first{}));
}

/// The paper's ablations, with the scenario 80%->4; but lambda's with 30%->16, whose max / mean of
/// 2.40 lies between its values.
class ablations {
 public:
  explicit ablations(bool all) : all_(all) {
    vary("T", &layer_shape::tokens, {4096, 65536}, {4096, 8192, 16384, 32768, 65536});
    for (double const a : pick({1.5, 2}, {1, 1.25, 1.5, 2, 2.5, 3}))
      add("alpha:" + two_digits(a), base, {80, 4}, lending{least_loaded{a}});
    for (double const l : pick({1.1, 2.6}, {1.1, 1.3, 1.6, 2.1, 2.6}))
      add("lambda:" + two_digits(l), base, {30, 16}, lending{{}, per_rank{l}});
    vary("H", &layer_shape::hidden, {512, 4096}, {512, 1024, 2048, 4096});
    vary("E", &layer_shape::experts, {16, 256}, {16, 32, 64, 128, 256});
  }

  [[nodiscard]] std::vector<cell> const& cells() const { return cells_; }

 private:
  static constexpr layer_shape base = paper_models[0];
  using numbers = std::vector<double>;

  [[nodiscard]] numbers pick(numbers const& some, numbers const& all) const {
    return all_ ? all : some;
  }
  static std::string two_digits(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", value);
    return text;
  }
  void add(std::string const& what, layer_shape const& s, scenario const& in,
           lending const& policy) {
    cells_.push_back({"ablation/" + what, s, in, policy, false});
  }
  template <class T>
  void vary(std::string const& what, T layer_shape::* member, numbers const& some,
            numbers const& all) {
    for (double const v : pick(some, all)) {
      layer_shape s = base;
      s.*member = static_cast<T>(v);
      add(what + ':' + std::to_string(s.*member), s, {80, 4}, {});
    }
  }

  bool all_;
  std::vector<cell> cells_;
};

std::vector<cell> cells_of(arguments const& given) {
  std::vector<cell> cells;
  for (scenario const& in : paper_scenarios)
    for (layer_shape const& s : paper_models)
      cells.push_back({"rank_serial/" + std::string(s.name) + "/" + in.name(), s, in});
  auto const more = ablations(given.how == extent::full).cells();
  if (given.tiny() || given.how == extent::quick) cells.resize(given.sized(9U, 6U));
  if (given.how != extent::quick) {
    // after the first three scenarios, as there may not be time for all
    auto const first = (std::min)(3 * paper_models.size(), cells.size());
    auto const at = given.how == extent::full ? cells.size() : first;
    cells.insert(cells.begin() + static_cast<std::ptrdiff_t>(at), more.begin(), more.end());
  }
  if (!given.tiny()) return cells;
  for (cell& c : cells) {
    c.shape.tokens = 32;
    c.shape.hidden = 64;
    c.shape.inner = 32;
    c.policy.primary.min_chunk_rows = 4;
  }
  return cells;
}

void measure(arguments const& given, report& to) {
  cuda::device<> device;
  cuda::queue q;
  time_budget const budget(given.seconds);
  for (cell const& c : cells_of(given)) {
    if (!budget.is_left()) {
      to.not_run(c.name, "no time left");
      continue;
    }
    try {
      with_family(c.shape, [&]<class K, class Family>(Family const& family) {
        layer_steps<K, Family> layer(given, device, q, c.shape, family, c.in);
        run_cell(layer, to, c);
      });
    } catch (not_measured const& e) {
      to.not_run(c.name, e.why);
    } catch (std::bad_alloc const&) {
      to.not_run(c.name, "out of memory");
    }
  }
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, measure); }
