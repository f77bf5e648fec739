// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace llep::testing {

/// A policy's archetype for near misses to derive from. They are aggregates, and an aggregate
/// builds its base from {}: that the archetype's constructor is explicit would be a second fault.
template <class Archetype>
struct derivable : Archetype {
  derivable();
};

// Each of these takes one promise away from the model it derives from.

/// No move construction; a default and assignment stay.
template <class Model>
struct pinned : Model {
  pinned();
  pinned(pinned&&) = delete;
  pinned& operator=(pinned&&);
};

/// No move assignment; construction stays.
template <class Model>
struct unassignable : Model {
  unassignable();
  unassignable(unassignable&&);
  unassignable& operator=(unassignable&&) = delete;
};

/// As std::regular, without the copy.
template <class Model>
struct uncopyable : Model {
  uncopyable();
  uncopyable(uncopyable&&);
  uncopyable& operator=(uncopyable&&);
};

/// As std::regular, without the default constructor.
template <class Model>
struct undefaulted : Model {
  undefaulted() = delete;
};

/// As std::regular, without ==.
template <class Model>
struct incomparable : Model {
  friend bool operator==(incomparable const&, incomparable const&) = delete;
};

/// A value that no compiler may count on.
template <class T>
T at_run_time() {
  return T{};
}

}  // namespace llep::testing
