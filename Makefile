# make alone builds; make check is exactly what CI runs. See docs/ARCHITECTURE.md.
SHELL   := /bin/bash
GO      ?= go
VERSION := $(shell deploy/version.sh)
LDFLAGS := -s -w -X main.release=$(VERSION)
# The version is in LDFLAGS; with stamps a worktree would give other bytes than a clone.
BUILD   := -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
export CGO_ENABLED := 0

# go test -race needs cgo; everything that is shipped is built without.
RACE := CGO_ENABLED=1 $(GO) test -race -timeout 10m

TARGETS := linux-amd64 linux-arm64 linux-armv7 linux-armv6
env-linux-amd64 := GOARCH=amd64
env-linux-arm64 := GOARCH=arm64
env-linux-armv7 := GOARCH=arm GOARM=7
env-linux-armv6 := GOARCH=arm GOARM=6

.PHONY: build run demo test check fmt-check vet staticcheck race deps tidy-check arm-test dist deb sbom release reproducible system-test bench fuzz clean

build: bin/sensorgate

bin/sensorgate: FORCE
	@mkdir -p bin
	$(GO) build $(BUILD) -o $@ ./cmd/sensorgate
FORCE:

# The main job without hardware: simulated devices, our broker, a second broker as upstream.
run demo: build
	./bin/sensorgate demo

test:
	$(GO) test ./...

check: fmt-check vet staticcheck race deps dist arm-test tidy-check
	@echo "check: all passed"

fmt-check:
	@out=$$(gofmt -l cmd drivers broker bridge deploy internal); test -z "$$out" || { echo "gofmt needed: $$out"; exit 1; }

vet:
	$(GO) vet ./...

# Pinned as a tool in go.mod.
staticcheck:
	$(GO) tool staticcheck ./...

race:
	$(RACE) ./...

# Who may import whom: internal/gateway/deps_test.go.
deps:
	$(GO) test -run TestDependencyRules ./internal/gateway

dist: $(TARGETS:%=dist-%)
dist-%:
	@mkdir -p dist
	GOOS=linux $(env-$*) $(GO) build $(BUILD) -o dist/sensorgate-$* ./cmd/sensorgate

# A release: packages, bill of materials and checksums. Needs dpkg-deb (Debian
# package dpkg). Times come from the commit, so the same commit gives the same bytes.
export SOURCE_DATE_EPOCH ?= $(shell git show -s --format=%ct HEAD 2>/dev/null || echo 0)

# file name, binary, Debian's name of the architecture, what preinst asks of the CPU.
# armhf is ARMv7 for Debian, but Raspberry Pi OS runs on a Pi 1 and Zero (ARMv6) under
# the same name; Debian's own name for those is armel.
DEBS := amd64 arm64 armhf armhf-v6 armel
deb-amd64    := linux-amd64 amd64 any
deb-arm64    := linux-arm64 arm64 any
deb-armhf    := linux-armv7 armhf armv7
deb-armhf-v6 := linux-armv6 armhf armv6
deb-armel    := linux-armv6 armel armv6

deb: build dist $(DEBS:%=deb-%)
deb-%:
	deploy/deb/build.sh dist/sensorgate-$(word 1,$(deb-$*)) bin/sensorgate $(word 2,$(deb-$*)) $(word 3,$(deb-$*)) $(VERSION) dist/sensorgate_$*.deb

sbom: $(TARGETS:%=sbom-%)
sbom-%: dist-%
	$(GO) run ./deploy/sbom -version $(VERSION) dist/sensorgate-$* > dist/sensorgate-$*.cdx.json

release: dist deb sbom
	cd dist && sha256sum sensorgate-* sensorgate_* > SHA256SUMS

# Builds the release again in a fresh clone with an empty build cache and compares.
reproducible: release
	deploy/reproducible.sh

# The unit tests once more as 32-bit ARM: catches int and alignment mistakes.
arm-test:
	@if command -v qemu-arm-static >/dev/null; then \
	  GOARCH=arm GOARM=6 $(GO) test -short -exec qemu-arm-static -timeout 10m ./internal/... ./drivers/... ./broker/... ./bridge/...; \
	else echo "skipped arm-test: no qemu-arm-static (Debian package qemu-user-static)"; fi

tidy-check:
	$(GO) mod tidy -diff
	@if git rev-parse --git-dir >/dev/null 2>&1; then \
	  test -z "$$(git status --porcelain)" || { echo "the tree is not clean:"; git status --short; exit 1; }; fi

clean:
	rm -rf bin dist
