// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <llep/backends/kokkos/device.hpp>

// Who waits for whom, where a kernel may still run when its launch has returned. No processor's
// space is like that, so it is made out that one is, and what is fenced is written down.

#ifdef KOKKOS_ENABLE_OPENMP
namespace {

using namespace llep;
using kokkos::device;
using words = std::vector<std::string>;

words seen;

void note(std::string const& event) { seen.push_back(event); }

/// A space whose instances have names, so that it shows which of them is fenced.
struct named_space : Kokkos::OpenMP {
  using execution_space = named_space;
  explicit named_space(std::string const& n) : Kokkos::OpenMP(1), name(n) {}
  void fence(std::string const& why) const { note(name + " " + why); }
  friend bool operator==(named_space const& a, named_space const& b) { return a.name == b.name; }

  std::string name;
};

struct two_queues {
  using device_type = device<named_space>;

  two_queues() { seen.clear(); }

  named_space const one{"one"}, two{"two"};
  device_type on{one};
  device_type::queue first{one}, second{two};
  device_type::event event = on.make_event();
};

TEST_CASE("kokkos waiting: a queue that waits for another's event fences that one", "[kokkos]") {
  two_queues q;
  q.on.record(q.event, q.first);
  CHECK(seen.empty());
  q.on.wait(q.second, q.event);
  CHECK(seen == words{"one llep::sync"});
  q.on.sync(q.event);
  CHECK(seen == words{"one llep::sync", "one llep::sync"});
}

TEST_CASE("kokkos waiting: a queue doesn't fence itself", "[kokkos]") {
  two_queues q;
  q.on.record(q.event, q.first);
  q.on.wait(q.first, q.event);
  two_queues::device_type::queue same(q.one);
  q.on.wait(same, q.event);
  CHECK(seen.empty());
}

TEST_CASE("kokkos waiting: an event that was recorded again is its last queue's", "[kokkos]") {
  two_queues q;
  q.on.record(q.event, q.first);
  q.on.record(q.event, q.second);
  q.on.wait(q.second, q.event);
  CHECK(seen.empty());
  q.on.wait(q.first, q.event);
  CHECK(seen == words{"two llep::sync"});
}

TEST_CASE("kokkos waiting: an event that was never recorded is nothing to wait for", "[kokkos]") {
  two_queues q;
  q.on.wait(q.first, q.event);
  q.on.sync(q.event);
  CHECK(seen.empty());
}

/// While it lives, what Kokkos itself tells of our fences and of memory that is freed is seen.
class observed {
 public:
  observed() : before_(Kokkos::Tools::Experimental::get_callbacks()) {
    seen.clear();
    Kokkos::Tools::Experimental::set_begin_fence_callback(
        [](char const* name, std::uint32_t, std::uint64_t*) {
          std::string_view const ours(name);
          bool const again = !seen.empty() && seen.back() == ours;  // a space each
          if (ours == "llep::sync" || (ours == "llep::free" && !again)) note(name);
        });
    Kokkos::Tools::Experimental::set_deallocate_data_callback(
        [](Kokkos::Tools::SpaceHandle, char const* label, void const*, std::uint64_t) {
          if (std::string_view(label) == "llep") note("freed");
        });
  }
  ~observed() { Kokkos::Tools::Experimental::set_callbacks(before_); }
  observed(observed const&) = delete;
  observed& operator=(observed const&) = delete;

 private:
  Kokkos::Tools::Experimental::EventSet before_;
};

template <bool Waits>
struct counting {
  using device_type = device<Kokkos::OpenMP, Waits>;

  device_type on{Kokkos::OpenMP(1)};
  typename device_type::queue first{Kokkos::OpenMP(1)}, second{Kokkos::OpenMP(1)};

  /// Counts one choice among so many experts: the more, the larger is the table for it.
  void count(typename device_type::queue& q, std::int32_t experts) {
    std::int32_t const id = 0;
    std::vector<std::int64_t> numbers(static_cast<std::size_t>(experts));
    std::int64_t bad[2] = {};
    on.count(q, matrix_ref<std::int32_t const>(&id, 1, 1), experts, bad, numbers.data());
    REQUIRE(numbers[0] == 1);
  }
};

TEST_CASE("kokkos waiting: the table for counting passes from queue to queue, once", "[kokkos]") {
  counting<true> c;
  observed const now;
  c.count(c.first, 4);
  c.count(c.first, 4);
  CHECK(seen.empty());
  c.count(c.second, 4);
  CHECK(seen == words{"llep::sync"});
  c.count(c.second, 4);
  CHECK(seen == words{"llep::sync"});
}

TEST_CASE("kokkos waiting: all is fenced before the table for counting is freed", "[kokkos]") {
  observed const now;
  {
    counting<true> c;
    c.count(c.first, 4);
    CHECK(seen.empty());
    c.count(c.first, 400);
    CHECK(seen == words{"llep::free", "freed"});
    seen.clear();
  }
  CHECK(seen == words{"llep::free", "freed"});
}

TEST_CASE("kokkos waiting: all is fenced before memory is freed", "[kokkos]") {
  counting<true> c;
  void* const memory = c.on.allocate(100);
  void* const staging = c.on.allocate_staging(100);
  observed const now;
  c.on.deallocate(memory);
  CHECK(seen == words{"llep::free", "freed"});
  seen.clear();
  c.on.deallocate_staging(staging);
  CHECK(seen == words{"llep::free", "freed"});
}

TEST_CASE("kokkos waiting: nothing is fenced where kernels are over on return", "[kokkos]") {
  observed const now;
  {
    counting<false> c;
    c.count(c.first, 4);
    c.count(c.second, 400);
    auto event = c.on.make_event();
    c.on.record(event, c.first);
    c.on.wait(c.second, event);
    c.on.sync(event);
    c.on.deallocate(c.on.allocate(100));
  }
  CHECK(seen == words{"freed", "freed", "freed"});
}

}  // namespace
#endif
