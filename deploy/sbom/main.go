// Command sbom writes down what is inside a built sensorgate: a CycloneDX 1.5 bill
// of materials (default), or with -licenses the licence texts that have to travel
// with the binary. Both come from the build information in the binary itself, so
// they name what was really linked, and the same binary makes the same bytes.
//
//	go run ./deploy/sbom dist/sensorgate-linux-arm64 > sbom.cdx.json
package main

import (
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	licenses := flag.Bool("licenses", false, "write the licence texts instead of the bill of materials")
	version := flag.String("version", "", "version of sensorgate itself")
	flag.Parse()
	if err := run(flag.Arg(0), *version, *licenses); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(binary, version string, licenses bool) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	mods, err := linked(info)
	if err != nil {
		return err
	}
	if licenses {
		return writeLicenses(os.Stdout, mods)
	}
	when, err := sourceDate(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	return writeBOM(os.Stdout, version, info, mods, when)
}

// sourceDate is the time that stands in the document: of the sources, never of the
// build, or two builds would differ (reproducible-builds.org, SOURCE_DATE_EPOCH).
func sourceDate(epoch string) (time.Time, error) {
	if epoch == "" {
		epoch = "0"
	}
	sec, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(sec, 0).UTC(), nil
}
