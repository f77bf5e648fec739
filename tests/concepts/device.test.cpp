// SPDX-License-Identifier: Apache-2.0
#include <llep/concepts/device.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <llep/device/host.hpp>
#include <string_view>

#include "support/archetypes.hpp"
#include "support/near_misses.hpp"

namespace {

using namespace llep::testing;
using llep::byte_count;
using llep::matrix_ref;
using llep::row_chunk;
using llep::row_segment;
using archetype = device_archetype<>;
using i32 = std::int32_t;
using i64 = std::int64_t;

// Each near miss takes exactly one promise away from the archetype.

// clang-format off
struct untagged : archetype { using device_concept = void; };
template <auto Value>
struct host_memory_is : archetype { static constexpr auto host_memory = Value; };
template <class T>
struct host_memory_of : archetype { static inline T host_memory = at_run_time<T>(); };

// ---- queues and events --------------------------------------------------------------------------

struct no_queue : archetype { using queue = void; };
struct pinned_queue : archetype {
  using queue = pinned<archetype::queue>;
  queue make_queue();
};
struct unassignable_queue : archetype {
  using queue = unassignable<archetype::queue>;
  queue make_queue();
};
struct no_event : archetype { using event = void; };
struct pinned_event : archetype {
  using event = pinned<archetype::event>;
  event make_event();
};
struct unassignable_event : archetype {
  using event = unassignable<archetype::event>;
  event make_event();
};

struct no_make_queue : archetype { queue make_queue() = delete; };
struct reference_queue : archetype { queue& make_queue(); };
struct no_make_event : archetype { event make_event() = delete; };
struct reference_event : archetype { event& make_event(); };
struct no_record : archetype { void record(event&, queue&) = delete; };
struct answering_record : archetype { bool record(event&, queue&); };
struct no_wait : archetype { void wait(queue&, event&) = delete; };
struct answering_wait : archetype { bool wait(queue&, event&); };
struct no_sync : archetype { void sync(event&) = delete; };
struct answering_sync : archetype { bool sync(event&); };

// ---- memory -------------------------------------------------------------------------------------

struct no_allocate : archetype { void* allocate(byte_count) = delete; };
struct typed_allocate : archetype { std::byte* allocate(byte_count); };
struct no_deallocate : archetype { void deallocate(void*) noexcept = delete; };
struct answering_deallocate : archetype { bool deallocate(void*) noexcept; };
struct throwing_deallocate : archetype { void deallocate(void*); };
struct no_staging : archetype { void* allocate_staging(byte_count) = delete; };
struct typed_staging : archetype { std::byte* allocate_staging(byte_count); };
struct no_deallocate_staging : archetype { void deallocate_staging(void*) noexcept = delete; };
struct answering_deallocate_staging : archetype { bool deallocate_staging(void*) noexcept; };
struct throwing_deallocate_staging : archetype { void deallocate_staging(void*); };
struct no_copy : archetype { void copy(queue&, void*, void const*, byte_count) = delete; };
struct answering_copy : archetype { bool copy(queue&, void*, void const*, byte_count); };
struct copy_writes_source : archetype { void copy(queue&, void*, void*, byte_count); };

// ---- rows ---------------------------------------------------------------------------------------

struct no_pack : archetype {
  void pack(queue&, std::byte const*, byte_count, byte_count, i64, i32 const*, i64,
            std::byte*) = delete;
};
struct answering_pack : archetype {
  bool pack(queue&, std::byte const*, byte_count, byte_count, i64, i32 const*, i64, std::byte*);
};
struct pack_writes_source : archetype {
  void pack(queue&, std::byte*, byte_count, byte_count, i64, i32 const*, i64, std::byte*);
};
struct pack_writes_slots : archetype {
  void pack(queue&, std::byte const*, byte_count, byte_count, i64, i32*, i64, std::byte*);
};
struct no_move_rows : archetype {
  void move_rows(queue&, std::byte const*, byte_count, row_chunk const*, i64, std::byte*) = delete;
};
struct answering_move_rows : archetype {
  bool move_rows(queue&, std::byte const*, byte_count, row_chunk const*, i64, std::byte*);
};
struct move_rows_writes_source : archetype {
  void move_rows(queue&, std::byte*, byte_count, row_chunk const*, i64, std::byte*);
};
struct move_rows_writes_chunks : archetype {
  void move_rows(queue&, std::byte const*, byte_count, row_chunk*, i64, std::byte*);
};

// ---- rows by element type: a using declaration keeps the overloads that aren't replaced ---------

template <class Id>
struct no_count : archetype {
  using archetype::count;
  void count(queue&, matrix_ref<Id const>, i32, i64*, i64*) = delete;
};
template <class Id>
struct answering_count : archetype {
  using archetype::count;
  bool count(queue&, matrix_ref<Id const>, i32, i64*, i64*);
};
template <class Id, class OtherId>
struct count_writes_ids : archetype {
  void count(queue&, matrix_ref<Id>, i32, i64*, i64*);
  void count(queue&, matrix_ref<OtherId const>, i32, i64*, i64*);
};
template <class Id>
struct no_index : archetype {
  using archetype::index;
  void index(queue&, matrix_ref<Id const>, i32, i64 const*, row_segment const*, i32*) = delete;
};
template <class Id>
struct answering_index : archetype {
  using archetype::index;
  bool index(queue&, matrix_ref<Id const>, i32, i64 const*, row_segment const*, i32*);
};
template <class Id, class OtherId>
struct index_writes_ids : archetype {
  void index(queue&, matrix_ref<Id>, i32, i64 const*, row_segment const*, i32*);
  void index(queue&, matrix_ref<OtherId const>, i32, i64 const*, row_segment const*, i32*);
};
template <class Id, class OtherId>
struct index_writes_offsets : archetype {
  void index(queue&, matrix_ref<Id const>, i32, i64*, row_segment const*, i32*);
  void index(queue&, matrix_ref<OtherId const>, i32, i64 const*, row_segment const*, i32*);
};
template <class Id, class OtherId>
struct index_writes_segments : archetype {
  void index(queue&, matrix_ref<Id const>, i32, i64 const*, row_segment*, i32*);
  void index(queue&, matrix_ref<OtherId const>, i32, i64 const*, row_segment const*, i32*);
};
template <class Row, class Gate>
struct no_combine : archetype {
  using archetype::combine;
  void combine(queue&, Row const*, i32 const*, matrix_ref<Gate const>, matrix_ref<Row>) = delete;
};
template <class Row, class Gate>
struct answering_combine : archetype {
  using archetype::combine;
  bool combine(queue&, Row const*, i32 const*, matrix_ref<Gate const>, matrix_ref<Row>);
};

// ---- memory that the device can tell ------------------------------------------------------------

using name = std::string_view;
struct checker : archetype { void check_memory(void const*, std::size_t, name) const; };
struct writing_check : archetype { void check_memory(void const*, std::size_t, name); };
struct writes_to_checked : archetype { void check_memory(void*, std::size_t, name) const; };
struct answering_check : archetype { bool check_memory(void const*, std::size_t, name) const; };
// clang-format on

// What combine must not write to, one of the four pairs' worth.
struct one_combine : archetype {
  void combine(queue&, float const*, i32 const*, matrix_ref<float const>, matrix_ref<float>);
};
struct combine_writes_rows : archetype {
  void combine(queue&, float*, i32 const*, matrix_ref<float const>, matrix_ref<float>);
};
struct combine_writes_slots : archetype {
  void combine(queue&, float const*, i32*, matrix_ref<float const>, matrix_ref<float>);
};
struct combine_writes_gates : archetype {
  void combine(queue&, float const*, i32 const*, matrix_ref<float>, matrix_ref<float>);
};

TEST_CASE("device: the archetype is enough, wherever its memory is", "[concepts][device]") {
  STATIC_REQUIRE(llep::device<device_archetype<false>>);
  STATIC_REQUIRE(llep::device<device_archetype<true>>);
}

TEST_CASE("device: the tag, moving and host_memory are needed", "[concepts][device]") {
  STATIC_REQUIRE_FALSE(llep::device<int>);
  STATIC_REQUIRE_FALSE(llep::device<untagged>);
  STATIC_REQUIRE_FALSE(llep::device<pinned<archetype>>);
  STATIC_REQUIRE_FALSE(llep::device<unassignable<archetype>>);
  STATIC_REQUIRE_FALSE(llep::device<host_memory_is<1>>);
  STATIC_REQUIRE_FALSE(llep::device<host_memory_of<bool const>>);
}

TEST_CASE("device: every single promise of queues and events is needed", "[concepts][device]") {
  STATIC_REQUIRE_FALSE(llep::device<no_queue>);
  STATIC_REQUIRE_FALSE(llep::device<pinned_queue>);
  STATIC_REQUIRE_FALSE(llep::device<unassignable_queue>);
  STATIC_REQUIRE_FALSE(llep::device<no_event>);
  STATIC_REQUIRE_FALSE(llep::device<pinned_event>);
  STATIC_REQUIRE_FALSE(llep::device<unassignable_event>);
  STATIC_REQUIRE_FALSE(llep::device<no_make_queue>);
  STATIC_REQUIRE_FALSE(llep::device<reference_queue>);
  STATIC_REQUIRE_FALSE(llep::device<no_make_event>);
  STATIC_REQUIRE_FALSE(llep::device<reference_event>);
  STATIC_REQUIRE_FALSE(llep::device<no_record>);
  STATIC_REQUIRE_FALSE(llep::device<answering_record>);
  STATIC_REQUIRE_FALSE(llep::device<no_wait>);
  STATIC_REQUIRE_FALSE(llep::device<answering_wait>);
  STATIC_REQUIRE_FALSE(llep::device<no_sync>);
  STATIC_REQUIRE_FALSE(llep::device<answering_sync>);
}

TEST_CASE("device: every single promise of memory is needed", "[concepts][device]") {
  STATIC_REQUIRE_FALSE(llep::device<no_allocate>);
  STATIC_REQUIRE_FALSE(llep::device<typed_allocate>);
  STATIC_REQUIRE_FALSE(llep::device<no_deallocate>);
  STATIC_REQUIRE_FALSE(llep::device<answering_deallocate>);
  STATIC_REQUIRE_FALSE(llep::device<throwing_deallocate>);
  STATIC_REQUIRE_FALSE(llep::device<no_staging>);
  STATIC_REQUIRE_FALSE(llep::device<typed_staging>);
  STATIC_REQUIRE_FALSE(llep::device<no_deallocate_staging>);
  STATIC_REQUIRE_FALSE(llep::device<answering_deallocate_staging>);
  STATIC_REQUIRE_FALSE(llep::device<throwing_deallocate_staging>);
  STATIC_REQUIRE_FALSE(llep::device<no_copy>);
  STATIC_REQUIRE_FALSE(llep::device<answering_copy>);
  STATIC_REQUIRE_FALSE(llep::device<copy_writes_source>);
}

TEST_CASE("device: every single promise of pack and move_rows is needed", "[concepts][device]") {
  STATIC_REQUIRE_FALSE(llep::device<no_pack>);
  STATIC_REQUIRE_FALSE(llep::device<answering_pack>);
  STATIC_REQUIRE_FALSE(llep::device<pack_writes_source>);
  STATIC_REQUIRE_FALSE(llep::device<pack_writes_slots>);
  STATIC_REQUIRE_FALSE(llep::device<no_move_rows>);
  STATIC_REQUIRE_FALSE(llep::device<answering_move_rows>);
  STATIC_REQUIRE_FALSE(llep::device<move_rows_writes_source>);
  STATIC_REQUIRE_FALSE(llep::device<move_rows_writes_chunks>);
}

TEST_CASE("device: ids of both types are needed, for reading only", "[concepts][device]") {
  STATIC_REQUIRE_FALSE(llep::device<no_count<i32>>);
  STATIC_REQUIRE_FALSE(llep::device<no_count<i64>>);
  STATIC_REQUIRE_FALSE(llep::device<answering_count<i32>>);
  STATIC_REQUIRE_FALSE(llep::device<answering_count<i64>>);
  STATIC_REQUIRE_FALSE(llep::device<count_writes_ids<i32, i64>>);
  STATIC_REQUIRE_FALSE(llep::device<count_writes_ids<i64, i32>>);
  STATIC_REQUIRE_FALSE(llep::device<no_index<i32>>);
  STATIC_REQUIRE_FALSE(llep::device<no_index<i64>>);
  STATIC_REQUIRE_FALSE(llep::device<answering_index<i32>>);
  STATIC_REQUIRE_FALSE(llep::device<answering_index<i64>>);
  STATIC_REQUIRE_FALSE(llep::device<index_writes_ids<i32, i64>>);
  STATIC_REQUIRE_FALSE(llep::device<index_writes_ids<i64, i32>>);
  STATIC_REQUIRE_FALSE(llep::device<index_writes_offsets<i32, i64>>);
  STATIC_REQUIRE_FALSE(llep::device<index_writes_offsets<i64, i32>>);
  STATIC_REQUIRE_FALSE(llep::device<index_writes_segments<i32, i64>>);
  STATIC_REQUIRE_FALSE(llep::device<index_writes_segments<i64, i32>>);
}

TEST_CASE("device: combine is needed for each pair of rows and gates", "[concepts][device]") {
  STATIC_REQUIRE_FALSE(llep::device<no_combine<float, float>>);
  STATIC_REQUIRE_FALSE(llep::device<no_combine<float, double>>);
  STATIC_REQUIRE_FALSE(llep::device<no_combine<double, float>>);
  STATIC_REQUIRE_FALSE(llep::device<no_combine<double, double>>);
  STATIC_REQUIRE_FALSE(llep::device<answering_combine<float, float>>);
  STATIC_REQUIRE_FALSE(llep::device<answering_combine<float, double>>);
  STATIC_REQUIRE_FALSE(llep::device<answering_combine<double, float>>);
  STATIC_REQUIRE_FALSE(llep::device<answering_combine<double, double>>);
}

TEST_CASE("combines_rows: all but the result is for reading only", "[concepts][device]") {
  STATIC_REQUIRE(llep::combines_rows<one_combine, float, float>);
  STATIC_REQUIRE_FALSE(llep::combines_rows<combine_writes_rows, float, float>);
  STATIC_REQUIRE_FALSE(llep::combines_rows<combine_writes_slots, float, float>);
  STATIC_REQUIRE_FALSE(llep::combines_rows<combine_writes_gates, float, float>);
}

TEST_CASE("device: element types beyond the listed ones are the model's own",
          "[concepts][device]") {
  STATIC_REQUIRE_FALSE(llep::indexes_rows<archetype, std::int16_t>);
  STATIC_REQUIRE_FALSE(llep::indexes_rows<archetype, float>);
  STATIC_REQUIRE_FALSE(llep::combines_rows<archetype, row_archetype, float>);
  STATIC_REQUIRE_FALSE(llep::combines_rows<archetype, float, int>);
  STATIC_REQUIRE(llep::device<own_rows_device_archetype<>>);
  STATIC_REQUIRE(llep::combines_rows<own_rows_device_archetype<>, row_archetype, float>);
  STATIC_REQUIRE_FALSE(llep::combines_rows<own_rows_device_archetype<>, row_archetype, double>);
}

TEST_CASE("checks_memory: every single promise is needed", "[concepts][device]") {
  STATIC_REQUIRE(llep::checks_memory<checker>);
  STATIC_REQUIRE_FALSE(llep::checks_memory<archetype>);
  STATIC_REQUIRE_FALSE(llep::checks_memory<writing_check>);
  STATIC_REQUIRE_FALSE(llep::checks_memory<writes_to_checked>);
  STATIC_REQUIRE_FALSE(llep::checks_memory<answering_check>);
}

TEST_CASE("device: host_device is a model", "[concepts][device]") {
  STATIC_REQUIRE(llep::device<llep::host_device>);
  STATIC_REQUIRE_FALSE(llep::indexes_rows<llep::host_device, float>);
  STATIC_REQUIRE_FALSE(llep::combines_rows<llep::host_device, int, float>);
  STATIC_REQUIRE_FALSE(llep::combines_rows<llep::host_device, float, int>);
}

}  // namespace
