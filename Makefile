# make alone builds; make check is exactly what CI runs. See docs/ARCHITECTURE.md.
SHELL   := /bin/bash
GO      ?= go
LDFLAGS := -s -w
export CGO_ENABLED := 0

# go test -race needs cgo; everything that is shipped is built without.
RACE := CGO_ENABLED=1 $(GO) test -race -timeout 10m

TARGETS := linux-amd64 linux-arm64 linux-armv7 linux-armv6
env-linux-amd64 := GOARCH=amd64
env-linux-arm64 := GOARCH=arm64
env-linux-armv7 := GOARCH=arm GOARM=7
env-linux-armv6 := GOARCH=arm GOARM=6

.PHONY: build run demo test check fmt-check vet staticcheck race deps tidy-check arm-test dist bench fuzz clean

build: bin/sensorgate

bin/sensorgate: FORCE
	@mkdir -p bin
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/sensorgate
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
	GOOS=linux $(env-$*) $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/sensorgate-$* ./cmd/sensorgate

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
