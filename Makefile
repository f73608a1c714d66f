# SPDX-License-Identifier: BSD-2-Clause
# Meson does the work (meson.build); these are short words for it. Each target first installs the Debian packages that
# it needs and that are missing: scripts/setup.
BUILD ?= build
MAKEFLAGS += --no-print-directory

all:
	@scripts/build $(BUILD) build

demo:
	@scripts/build $(BUILD) build demo
	@scripts/demo $(BUILD)

# All of it, and what an emulator can of it on aarch64; or what was chosen, here.
test:
	@scripts/build $(BUILD) build test
	@$(if $(TESTS)$(MESON_TEST_ARGS),scripts/run-tests $(BUILD) $(TESTS),MESON_ARGS='$(MESON_ARGS)' scripts/test $(BUILD))

# The suite on a kernel of Debian's, in an emulated machine: KERNEL=arm64 for the other CPU.
KERNEL ?= amd64
kernel_build = $(if $(filter arm64,$(KERNEL)),$(BUILD)/aarch64,$(BUILD))
kernel_args = $(if $(filter arm64,$(KERNEL)),--cross-file scripts/aarch64.ini)

test-kernel:
	@MESON_ARGS='$(kernel_args) $(MESON_ARGS)' scripts/build $(kernel_build) build test kernel-$(KERNEL)
	@scripts/test-kernel $(KERNEL) $(kernel_build) $(TESTS)

# The aarch64 build on this kernel, by an emulator of the CPU alone.
test-aarch64:
	@MESON_ARGS='--cross-file scripts/aarch64.ini $(MESON_ARGS)' scripts/build $(BUILD)/aarch64 build test arm64
	@scripts/test-qemu-user $(BUILD)/aarch64 $(TESTS)

test-valgrind:
	@scripts/build $(BUILD) build test valgrind
	@scripts/test-valgrind $(BUILD) $(TESTS)

sim:
	@scripts/sim $(BUILD) $(SEEDS) $(SCENARIOS)

# make fuzz SECONDS=600 [FUZZ="messages httpd"]
fuzz:
	@scripts/fuzz $(or $(SECONDS),60) $(FUZZ)

bench:
	@scripts/build $(BUILD) build bench
	@bench/run $(BUILD) $(BENCH)

# Programs of Debian's on user threads: make compat COMPAT="xz git"; writes docs/compatibility.md.
compat:
	@scripts/setup compat
	@scripts/build $(BUILD) build test
	@scripts/compat $(BUILD) $(COMPAT)

install: all
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install $(BUILD)

format:
	@scripts/setup ci
	@scripts/format

lint:
	@scripts/setup build ci
	@scripts/lint

clean:
	rm -rf $(BUILD)

.PHONY: all demo test test-kernel test-aarch64 test-valgrind sim fuzz bench compat install format lint clean
