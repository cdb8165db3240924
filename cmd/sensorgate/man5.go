package main

import (
	"fmt"
	"regexp"
	"strings"

	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/toml"
)

// driverTable is the name of a table that a driver adds keys to: "device.NAME (bme280)".
var driverTable = regexp.MustCompile(`\((\S+)\)$`)

// manConfiguration is sensorgate.toml(5): every table and key, from the same description as
// the schema.
func manConfiguration() string {
	var b strings.Builder
	b.WriteString(".TH SENSORGATE.TOML 5 \"\" \"sensorgate\" \"File Formats\"\n" +
		".SH NAME\nsensorgate.toml \\- what the gateway reads and where it sends it\n" +
		".SH SYNOPSIS\n.I /etc/sensorgate/sensorgate.toml\n.br\n.I /etc/sensorgate/conf.d/*.toml\n" +
		".SH DESCRIPTION\nThe files are TOML 1.0. Those in conf.d beside the main file count as if they stood in it; one table may not be in two files. " +
		"Names in capitals are yours to choose. A duration is a text such as \"10s\" or \"14d\", a size one such as \"256MiB\".\n.PP\n" +
		"After a change: sudo systemctl reload sensorgate. A broken file is refused and the running configuration stays.\n")
	cat := gateway.NewHardware(discard).Catalogue()
	drivers := false
	for _, t := range config.Describe(cat) {
		if m := driverTable.FindStringSubmatch(t.Name); m != nil && !drivers {
			drivers = true
			b.WriteString(".SH DRIVERS\nWhat each driver adds to [device.NAME] and to its channels. The keys of models are in\n.BR sensorgate-model (1).\n")
		}
		manTable(&b, t)
	}
	b.WriteString(".SH EXAMPLES\n.nf\nnode = \"barn\\-pi\"\n\n[device.attic]\ndriver = \"bme280\"\ni2c    = \"1:0x76\"\nevery  = \"30s\"\n\n" +
		"[bridge.cloud]\nurls  = [\"mqtts://mqtt.example.com:8883\"]\nrules = [ { dir = \"out\", local = \"{node}/#\", qos = 1 } ]\n.fi\n" +
		".SH SEE ALSO\n.BR sensorgate (1),\n.BR sensorgate\\-check (1),\n.BR sensorgate\\-plan (1),\n.BR sensorgate\\-schema (1)\n.PP\n" +
		"/usr/share/doc/sensorgate/reference.toml.gz has every key with its reason.\n")
	return withFallbacks(b.String())
}

func manTable(b *strings.Builder, t toml.Table) {
	name := "[" + t.Name + "]"
	switch {
	case t.Name == "":
		name = "Top of the file"
	case driverTable.MatchString(t.Name):
		name = "driver = " + `"` + driverTable.FindStringSubmatch(t.Name)[1] + `"`
		if strings.Contains(t.Name, ".channels.") {
			name += ", its channels"
		}
	case strings.HasSuffix(t.Name, "[]"):
		name = "Entries of " + strings.TrimSuffix(t.Name, "[]")
	}
	fmt.Fprintf(b, ".SS %s\n", roff(name))
	if t.Doc != "" {
		fmt.Fprintf(b, "%s\n", roffText(strings.ToUpper(t.Doc[:1])+strings.TrimSuffix(t.Doc[1:], ".")+"."))
	}
	for _, k := range t.Keys {
		fmt.Fprintf(b, ".TP\n.B %s\n", roff(k.Name))
		facts := k.Type
		switch {
		case k.Required:
			facts += ", required"
		case k.Default != "":
			facts += ", default " + k.Default
		}
		if example := k.Sample(); example != "" {
			facts += ", for example " + example
		}
		fmt.Fprintf(b, "%s\n", roffText(strings.TrimSpace(k.Doc+" ("+facts+")")))
	}
}
