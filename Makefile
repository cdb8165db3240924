# make alone builds; make check is exactly what CI runs. See docs/ARCHITECTURE.md.
SHELL   := /bin/bash
GO      ?= go
VERSION := $(shell deploy/version.sh)
LDFLAGS := -s -w -X main.release=$(VERSION)
# The version is in LDFLAGS; with stamps a worktree would give other bytes than a clone.
# The page is served over HTTP/1.1 (internal/web/listen.go): net/http's HTTP/2 is left out.
BUILD   := -trimpath -buildvcs=false -tags nethttpomithttp2 -ldflags '$(LDFLAGS)'
export CGO_ENABLED := 0

# go test -race needs cgo; everything that is shipped is built without.
RACE := CGO_ENABLED=1 $(GO) test -race -timeout 10m

# A Pi Zero reads the program from its card at every start.
MAX_SIZE := 15000000
TARGETS := linux-amd64 linux-arm64 linux-armv7 linux-armv6
env-linux-amd64 := GOARCH=amd64
env-linux-arm64 := GOARCH=arm64
env-linux-armv7 := GOARCH=arm GOARM=7
env-linux-armv6 := GOARCH=arm GOARM=6

.PHONY: idle browser page-check page-memory times bridgesim gatewaysim gatewaysim-check natstest crashmodel crashmodel-long killloop soak soak-check
.PHONY: attack attack-check deadcode build run demo test check fmt-check vet staticcheck race deps tidy-check arm-test board-smoke board-test board-test-arm64 board-spi board-kernel powercut dist deb tarball apt image image-test sbom release reproducible system-test upgrade-test bench fuzz clean

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

# What attackers can do to the built program: peak memory, an honest client's latency and a verdict per row, in about
# ten minutes; as root in a memory cgroup of the unit's limit. attack-check is the part of it that make check runs.
attack:
	$(GO) test -count 1 -v -timeout 30m ./deploy/attack -attack=full $(ATTACK)

attack-check:
	$(GO) test -count 1 -v -timeout 10m ./deploy/attack -attack=short $(ATTACK)

check: fmt-check vet staticcheck deadcode race times browser bridgesim gatewaysim-check crashmodel soak-check deps dist arm-test board-smoke attack-check tidy-check
	@echo "check: all passed"

fmt-check:
	@out=$$(gofmt -l cmd drivers broker bridge deploy internal); test -z "$$out" || { echo "gofmt needed: $$out"; exit 1; }

vet:
	$(GO) vet ./...
	$(GO) vet -tags system ./deploy/systemtest

# Pinned as a tool in go.mod.
staticcheck:
	$(GO) tool staticcheck ./...

# Rules of the code, and functions that nothing calls; the exceptions are in internal/rules/deadcode_test.go.
deadcode:
	$(GO) test -count=1 ./internal/rules -deadcode

# All tests but the rules (one goroutine, and a minute of types) under the race detector, which needs a C compiler; without one, plainly.
race:
	@if command -v $(CC) >/dev/null; then set -x; $(RACE) $$($(GO) list ./... | grep -v /internal/rules); \
	else echo "race detector skipped: no $(CC) (Debian package gcc)"; $(MAKE) test; fi

# Times that are promised, judged one after the other and without the race detector: what calls timing.Judged.
TIMES := TestAccountAgreesWithTheHeap TestAccountOfTLSAndWebSocketAgreesWithTheHeap TestAThousandChannelsAreDescribedInASecond TestManySubscriptionsCostNoMore TestReadyAtOnce TestGarbageCostsLittle TestManyPropertiesAreCheap TestMetricsAreCheap TestTenMillionPoints TestMillionQueued TestListingAllModelsIsQuick
empty :=
times:
	$(GO) test -p 1 -count 1 -run '^($(subst $(empty) $(empty),|,$(TIMES)))$$' $$(grep -rl --include=*_test.go 'timing\.Judged(' broker bridge drivers cmd internal | xargs -n1 dirname | sort -u | sed 's,^,./,')

# A month of a bridge with an upstream that does everything wrong, on virtual time, per
# seed; and, for root, real sockets on bad lines. The race detector gets a few days of it.
BRIDGE_SEEDS ?= 20
bridgesim:
	$(GO) test -run 'TestSimulation|TestNetwork' -timeout 60m ./bridge -sim.seeds $(BRIDGE_SEEDS)

# Whole gateways under everything at once (internal/gateway/sim): make gatewaysim SEEDS=100000
# for a night. A failing seed is made shorter and printed as a script to replay.
gatewaysim-check:
	$(GO) test -count=1 -run 'TestSeeds|TestScripts' ./internal/gateway/sim

gatewaysim:
	$(GO) test -run TestSeeds -timeout 24h ./internal/gateway/sim -sim.seeds $(or $(SEEDS),2000)

# A fleet of gateways on a cluster of three nats-servers, of which one after the other is
# killed. Fetches the server; needs the internet once.
natstest:
	GOBIN=$(CURDIR)/bin $(GO) install github.com/nats-io/nats-server/v2@v2.15.2
	NATS_SERVER=$(CURDIR)/bin/nats-server $(GO) test -run TestFleetOnNATSCluster -v ./bridge

# Power cuts of the journal on a file system in memory; the race detector runs a part of it.
crashmodel:
	$(GO) test -run 'TestCrashModel' ./internal/journal -crash.seeds=20000

# The page in a real browser, alone: beside other tests a browser is slower than anybody's patience. Needs Chromium.
browser:
	$(GO) test -count 1 -timeout 20m ./internal/web/page/browser

# What takes long in a browser: an hour of memory, 500 channels on a slow phone, twenty pages on one gateway.
# make browser has the short form of the first. Needs Chromium, and a machine that does nothing else.
page-check:
	$(GO) test -count 1 -v -timeout 2h ./internal/web/page/browser -run TestLong -page.long=$(or $(FOR),1h)

# The memory of a page that is looked at for an hour, alone; FOR=5m is enough to see a leak.
page-memory:
	$(GO) test -count 1 -v -timeout 2h ./internal/web/page/browser -run TestLongOpenPage -page.long=$(or $(FOR),1h)

# The same, more of it, and every bit and every length of a small log.
crashmodel-long:
	$(GO) test -run 'TestCrashModel|TestEvery' ./internal/journal -crash.seeds=$(or $(SEEDS),1000000) -crash.every -timeout 12h

# Damaged frames through every driver that parses bytes: 100,000 a driver here, ten million
# in make soak, which prints what each protocol's check lets through.
soak-check:
	$(GO) test -run Soak ./drivers/...

soak:
	set -o pipefail; SOAK=$(or $(SOAK),10000000) $(GO) test -count=1 -timeout 12h -v -run Soak ./drivers/... | grep -v 'no test'

# kill -9 of the real program under other people's clients. make check does it 25 times.
killloop:
	$(GO) test -run TestKillLoop ./internal/gateway/e2e -kill.count=$(or $(KILLS),500) -timeout 2h -v

# The journal against bbolt, a module of its own: make journal-compare DIR=/on/the/card
journal-compare:
	cd internal/journal/compare && $(GO) run . -dir $(or $(DIR),/tmp)

# The history against SQLite, a module of its own: make history-compare DIR=/on/the/card CHANNELS=1000
history-compare:
	cd internal/history/compare && $(GO) test -count=1 -timeout 60m -run TestDayOfValues . -dir $(or $(DIR),/tmp) -channels $(or $(CHANNELS),100) -v

# What page, API and history cost beside the same gateway without them: at most 3 MB and 1 s of CPU an hour, or it
# fails. Needs mosquitto, and a machine that does nothing else: make idle SECONDS=3600
idle: build
	deploy/idle.sh $(or $(SECONDS),600)

# Who may import whom: internal/gateway/deps_test.go.
deps:
	$(GO) test -run TestDependencyRules ./internal/gateway

dist: $(TARGETS:%=dist-%)
	@size=$$(stat -c %s dist/sensorgate-linux-armv6); test $$size -le $(MAX_SIZE) || { echo "dist/sensorgate-linux-armv6 has $$size bytes, want at most $(MAX_SIZE)"; exit 1; }
# The linker rounds each part of an ARM program up to 64 KiB, for pages that no kernel for it
# has; 16 KiB are those of the Raspberry Pi 5.
# Code that runs a few times a second is not inlined there, which makes the program a twentieth
# smaller; broker, bridge and what HOT names handle each message and stay as everywhere.
HOT := internal/journal internal/mqtt internal/mapping internal/varint
dist-linux-armv6 dist-linux-armv7: BUILD := -trimpath -buildvcs=false -tags nethttpomithttp2 -ldflags '$(LDFLAGS) -R 0x4000' \
	$(foreach p,cmd drivers internal,-gcflags=sensorgate/$(p)/...=-l) $(foreach p,$(HOT),-gcflags=sensorgate/$(p)=)
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

# For systems without dpkg; see docs/install.md, "Any Linux with systemd".
tarball: build dist $(TARGETS:%=tarball-%)
tarball-%:
	deploy/tarball.sh dist/sensorgate-$* bin/sensorgate $(VERSION) dist/sensorgate-$*.tar.gz

# An apt repository in dist/apt, to be put on any web server; SIGN_KEY=NAME signs it with
# gpg. Needs dpkg-scanpackages (Debian package dpkg-dev).
apt: deb
	deploy/deb/repository.sh dist/apt dist

# Container images, for docker load and podman load, made without either: docs/install.md, "In a container".
image: $(TARGETS:%=image-%)
platform-linux-amd64 := linux/amd64
platform-linux-arm64 := linux/arm64
platform-linux-armv7 := linux/arm/v7
platform-linux-armv6 := linux/arm/v6
image-%: dist-%
	$(GO) run ./deploy/image -version $(VERSION) -platform $(platform-$*) dist/sensorgate-$* > dist/sensorgate-image-$*.tar

# Starts each of them in namespaces, as root; those of other processors in QEMU.
image-test: image
	IMAGES=$(CURDIR)/dist $(GO) test -count=1 -timeout 20m -run TestImageStarts -v ./deploy

release: dist deb sbom tarball apt image
	cd dist && sha256sum sensorgate-* sensorgate_* > SHA256SUMS

# Builds the release again in a fresh clone with an empty build cache and compares.
reproducible: release
	deploy/reproducible.sh

# The unit tests once more as 32-bit ARM: catches int and alignment mistakes. The whole gateway is in make board-test:
# three minutes on an emulated processor.
arm-test:
	@if command -v qemu-arm-static >/dev/null; then \
	  GOARCH=arm GOARM=6 $(GO) test -short -exec qemu-arm-static -timeout 10m $$($(GO) list ./internal/... ./drivers/... ./broker/... ./bridge/... | grep -v -e /internal/rules -e /page/browser -e '/internal/gateway$$' -e /gateway/sim); \
	else echo "skipped arm-test: no qemu-arm-static (Debian package qemu-user-static)"; fi

# The virtual board (deploy/board): a real kernel under QEMU with emulated chips around
# it. RIG_DIR names a folder with kernel/bzImage; without one: make board-kernel.
bin/vmtest: FORCE
	@mkdir -p bin
	@$(GO) build -o $@ ./deploy/board/vmtest

# Three tests on it, and twenty power cuts; part of check.
board-smoke: bin/vmtest
	@if why=$$(bin/vmtest -ready); then \
	  $(GO) test -count=1 -timeout 3m -exec $(CURDIR)/bin/vmtest -run Smoke ./deploy/board/guest && \
	  $(MAKE) powercut IMAGES=20 LOAD=2000; \
	else echo "skipped board-smoke: $$why"; fi

# A gateway under load loses its power at 500 moments of what its disk does, and everybody goes on with what is left:
# deploy/board/powercut. FS=btrfs needs root and a kernel that has it, here and on the board.
FS ?= ext4
powercut: bin/vmtest
	@deploy/needs.sh powercut qemu-system-x86_64:qemu-system-x86 busybox:busybox-static mke2fs:e2fsprogs debugfs:e2fsprogs \
	  mkfs.$(FS):$(mkfs-$(FS)) || exit 0; \
	if why=$$(bin/vmtest -ready); then \
	  $(GO) test -count=1 -timeout 60m -v -run TestPowerCuts ./deploy/board/powercut \
	    -powercut.images=$(or $(IMAGES),500) -powercut.load=$(or $(LOAD),10000) -powercut.fs=$(FS); \
	else echo "skipped powercut: $$why"; fi
mkfs-ext4 := e2fsprogs
mkfs-btrfs := btrfs-progs
mkfs-f2fs := f2fs-tools
mkfs-xfs := xfsprogs

# All of it, and the unit tests under qemu-user. Emulation: nothing is measured here.
board-test: bin/vmtest
	@if why=$$(bin/vmtest -ready); then \
	  $(GO) test -count=1 -timeout 15m -exec $(CURDIR)/bin/vmtest ./deploy/board/guest && \
	  BOARD=1 $(GO) test -count=1 -timeout 15m -v ./deploy/board; \
	else echo "skipped board-test: $$why"; fi
	@for a in "arm 6 arm" "arm 7 arm" "arm64 v8.0 aarch64"; do set -- $$a; \
	  if command -v qemu-$$3-static >/dev/null; then echo "unit tests as $$1 $$2"; \
	    GOARCH=$$1 GOARM=$${2#v8.0} $(GO) test -short -timeout 10m -exec qemu-$$3-static ./drivers/... ./internal/... ./broker/... ./bridge/... || exit 1; \
	  else echo "skipped unit tests as $$1 $$2: no qemu-$$3-static (Debian package qemu-user-static)"; fi; done

# The SPI tests on a kernel that has spidev: of deploy/board/kernel/debian-kernel.sh, or our own.
board-spi: bin/vmtest
	$(GO) test -count=1 -timeout 10m -exec $(CURDIR)/bin/vmtest -run Spidev -v ./deploy/board/guest

board-test-arm64: bin/vmtest deploy/board/cache/busybox-arm64
	@if why=$$(GOARCH=arm64 bin/vmtest -ready); then \
	  GOARCH=arm64 $(GO) test -count=1 -timeout 15m -exec $(CURDIR)/bin/vmtest ./deploy/board/guest; \
	else echo "skipped board-test-arm64: $$why"; fi

# A foreign busybox from Debian, without a trace in this machine's package state.
deploy/board/cache/busybox-%:
	@mkdir -p deploy/board/cache/$*
	cd deploy/board/cache/$* && ../../rootfs/getdeb $* busybox-static && dpkg-deb -x busybox-static_*.deb .
	cp deploy/board/cache/$*/bin/busybox $@ && rm -r deploy/board/cache/$*

# A Debian with systemd for the board: RELEASE-ARCHITECTURE. arm64 needs qemu-user-static in binfmt_misc.
deploy/board/cache/rootfs-%.img:
	@mkdir -p $(@D)
	SUITE=$(firstword $(subst -, ,$*)) ARCH=$(lastword $(subst -, ,$*)) deploy/board/rootfs/mkrootfs $@

# The package on a whole machine: installed, killed, hung, unplugged, upgraded, power cut,
# purged. Says what it skips, and why. SUITE is the release of Debian: bookworm or trixie.
SUITE ?= bookworm
system-test:
	@deploy/needs.sh system-test qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils mke2fs:e2fsprogs mmdebstrap:mmdebstrap \
	  busybox:busybox-static dpkg-deb:dpkg git:git || exit 0; \
	$(MAKE) deploy/board/cache/rootfs-$(SUITE)-amd64.img && SUITE=$(SUITE) $(GO) test -tags system -count=1 -timeout 3h -v ./deploy/systemtest $(SYSTEM)

# Today's package over that of an earlier commit, with its store and configuration; some minutes.
UPGRADE_FROM ?= 5f3101f
upgrade-test:
	UPGRADE_FROM=$(UPGRADE_FROM) $(GO) test -count=1 -timeout 30m -run TestUpgradeFrom -v ./deploy

# Only where there is no RIG_DIR: some minutes.
board-kernel:
	deploy/board/kernel/build-kernel.sh

tidy-check:
	$(GO) mod tidy -diff
	@if git rev-parse --git-dir >/dev/null 2>&1; then \
	  test -z "$$(git status --porcelain)" || { echo "the tree is not clean:"; git status --short; exit 1; }; fi

clean:
	rm -rf bin dist
