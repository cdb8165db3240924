// Command image makes a container image of a built sensorgate, without a container engine
// and without any tool of one: the image is one layer with the program, the roots for TLS and
// an empty store. The archive is an OCI image layout with Docker's manifest.json beside it,
// so that docker load, podman load and skopeo take it. Same input, same bytes.
//
//	go run ./deploy/image -version v1.2.0 -platform linux/arm/v7 -roots ca-certificates.crt dist/sensorgate-linux-armv7 > image.tar
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.version, "version", "", "version of sensorgate, the tag of the image")
	flag.StringVar(&o.platform, "platform", "", "linux/amd64, linux/arm64, linux/arm/v7 or linux/arm/v6")
	roots := flag.String("roots", "/etc/ssl/certs/ca-certificates.crt", "certificates that mqtts:// upstreams are checked against")
	flag.Parse()
	if err := run(&o, flag.Arg(0), *roots); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(o *options, binary, roots string) (err error) {
	if o.program, err = os.ReadFile(binary); err != nil {
		return err
	}
	if o.roots, err = os.ReadFile(roots); err != nil {
		return fmt.Errorf("%w (Debian package ca-certificates; or -roots FILE)", err)
	}
	sec, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH, the time of the commit in seconds: %w", err)
	}
	o.made = time.Unix(sec, 0).UTC()
	out := bufio.NewWriter(os.Stdout)
	if err := write(out, o); err != nil {
		return err
	}
	return out.Flush()
}
