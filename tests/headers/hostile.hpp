// SPDX-License-Identifier: Apache-2.0
#pragma once

// What other people's headers define, and ours must live with. Macros of one letter are beyond
// defence, but for the one that the standard library itself may bring.

#include <complex.h>        // I
#include <sys/param.h>      // MIN, MAX, howmany, roundup
#include <sys/sysmacros.h>  // major, minor, makedev

#undef I
#undef TRUE
#undef FALSE
#undef DOMAIN
#undef OVERFLOW
#undef UNDERFLOW

#define I hostile I

// <windows.h> and what it includes
#define min(a, b) hostile min
#define max(a, b) hostile max
#define ERROR hostile ERROR
#define NO_ERROR hostile NO_ERROR
#define small hostile small
#define near hostile near
#define far hostile far
#define interface hostile interface
#define IN hostile IN
#define OUT hostile OUT
#define OPTIONAL hostile OPTIONAL
#define DELETE hostile DELETE
#define CONST hostile CONST
#define VOID hostile VOID
#define TRUE hostile TRUE
#define FALSE hostile FALSE

// <X11/Xlib.h>
#define None hostile None
#define Bool hostile Bool
#define Status hostile Status
#define Success hostile Success
#define Always hostile Always

// <math.h> of old, glog and torch, GoogleTest, Catch2
#define DOMAIN hostile DOMAIN
#define OVERFLOW hostile OVERFLOW
#define UNDERFLOW hostile UNDERFLOW
#define CHECK(x) hostile CHECK
#define LOG(x) hostile LOG
#define INFO hostile INFO
#define WARNING hostile WARNING
#define FATAL hostile FATAL
#define ASSERT(x) hostile ASSERT
#define FAIL() hostile FAIL
#define TEST(a, b) hostile TEST
#define REQUIRE(x) hostile REQUIRE
#define SECTION(x) hostile SECTION

// Qt; not its `slots`, a word we use too: QT_NO_KEYWORDS is for that
#define signals hostile signals
#define emit hostile emit
#define foreach(a, b) hostile foreach
#define forever hostile forever

// g++ without -std
#undef unix
#undef linux
#define unix hostile unix
#define linux hostile linux
