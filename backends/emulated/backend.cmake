# SPDX-License-Identifier: Apache-2.0
llep_backend(emulated PACKAGES Threads LINK Threads::Threads)
