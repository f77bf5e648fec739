// SPDX-License-Identifier: Apache-2.0
#include <llep/error.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace llep;

TEST_CASE("errc: the values that travel between ranks are fixed", "[core][error]") {
  STATIC_REQUIRE(static_cast<int>(errc::invalid_argument) == 1);
  STATIC_REQUIRE(static_cast<int>(errc::disagreement) == 2);
  STATIC_REQUIRE(static_cast<int>(errc::plan_inconsistent) == 3);
  STATIC_REQUIRE(static_cast<int>(errc::communication) == 4);
  STATIC_REQUIRE(static_cast<int>(errc::deadlock) == 5);
  STATIC_REQUIRE(static_cast<int>(errc::device) == 6);
  STATIC_REQUIRE(static_cast<int>(errc::failed) == 7);
  STATIC_REQUIRE(no_rank == -1);
}

TEST_CASE("error: names the rank that caused it, where there is one", "[core][error]") {
  error const somewhere(errc::device, "no memory");
  CHECK(std::string(somewhere.what()) == "no memory");
  CHECK(somewhere.rank() == no_rank);
  CHECK(somewhere.native_status() == 0);
  error const there(errc::communication, "gone", 2, 17);
  CHECK(std::string(there.what()) == "rank 2: gone");
  CHECK(there.code() == errc::communication);
  CHECK(there.rank() == 2);
  CHECK(there.native_status() == 17);
  CHECK(std::string(error(errc::failed, "x", 0).what()) == "rank 0: x");
}

TEST_CASE("error: knows where it was made, and keeps that out of its text", "[core][error]") {
  int const line = __LINE__ + 1;
  error const e(errc::failed, "text");
  CHECK(e.where().line == line);
  CHECK(std::string_view(e.where().file) == __FILE__);
  CHECK(std::string_view(e.what()) == "text");
}

TEST_CASE("expects: is silent, or throws invalid_argument from the caller's line",
          "[core][error]") {
  CHECK_NOTHROW(expects(true, "never said"));
  int line = 0;
  try {
    line = __LINE__ + 1;
    expects(false, "P must be at least 1");
    FAIL("expects(false) returned");
  } catch (error const& e) {
    CHECK(e.code() == errc::invalid_argument);
    CHECK(std::string(e.what()) == "P must be at least 1");
    CHECK(e.rank() == no_rank);
    CHECK(e.where().line == line);
    CHECK(std::string_view(e.where().file) == __FILE__);
  }
}

// current_error(rank), called while `thrown` is being handled.
template <class T>
error seen_by(rank_id rank, T const& thrown) {
  try {
    throw thrown;
  } catch (...) {
    return current_error(rank);
  }
}

TEST_CASE("current_error: an error that names its rank stays as it is", "[core][error]") {
  error const thrown(errc::communication, "gone", 3, 5);
  error const e = seen_by(1, thrown);
  CHECK(std::string(e.what()) == "rank 3: gone");
  CHECK(e.rank() == 3);
  CHECK(e.code() == errc::communication);
  CHECK(e.native_status() == 5);
  CHECK(e.where().line == thrown.where().line);
}

TEST_CASE("current_error: an error without a rank gets one, and loses nothing", "[core][error]") {
  error const thrown(errc::device, "kernel failed", no_rank, 700);
  error const e = seen_by(4, thrown);
  CHECK(std::string(e.what()) == "rank 4: kernel failed");
  CHECK(e.rank() == 4);
  CHECK(e.code() == errc::device);
  CHECK(e.native_status() == 700);
  CHECK(e.where().line == thrown.where().line);
  CHECK(std::string(seen_by(no_rank, thrown).what()) == "kernel failed");
}

TEST_CASE("current_error: other exceptions become errors of their kind", "[core][error]") {
  error const memory = seen_by(0, std::bad_alloc());
  CHECK(memory.code() == errc::device);
  CHECK(std::string(memory.what()) == "rank 0: out of memory");
  error const length = seen_by(0, std::bad_array_new_length());
  CHECK(length.code() == errc::device);
  error const logic = seen_by(1, std::out_of_range("no such expert"));
  CHECK(logic.code() == errc::failed);
  CHECK(logic.rank() == 1);
  CHECK(std::string(logic.what()) == "rank 1: no such expert");
  error const number = seen_by(2, 42);
  CHECK(number.code() == errc::failed);
  CHECK(number.rank() == 2);
  CHECK(std::string(number.what()).find("rank 2: an exception") == 0);
}

}  // namespace
