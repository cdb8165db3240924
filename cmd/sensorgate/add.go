package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/internal/confd"
	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/scan"
	"sensorgate/internal/terminal"
	"sensorgate/internal/toml"
)

// addFlags are the answers that are given beforehand.
type addFlags struct {
	settings
	connection
	name    string
	yes     bool
	unproof bool
	timeout time.Duration // of a Modbus unit that is asked who it is
}

// connection is how a device is reached.
type connection struct {
	port, tcp, line, i2c, spi string
	unit                      int
}

func newAdd() *cobra.Command {
	var a addFlags
	cmd := &cobra.Command{
		Use:   "add [MODEL]",
		Short: "find a device, look at its values, write it into conf.d, and load it",
		Long: `Scans what is connected and asks, or takes a model (sensorgate model list) or a driver.
Reads the device once and shows its values. If you agree it is written into a file of its
own in conf.d beside the configuration, the whole is checked, and a gateway that runs takes
it up; what is refused is taken back. What is given as a flag is not asked. With --tcp or
--port and no model the units there are asked who they are, as scan modbus does; if none
answers on a port it asks you what is connected.`,
		Example: "  sudo sensorgate add\n  sudo sensorgate add eastron/sdm630 --port /dev/ttyUSB0 --unit 1\n  sudo sensorgate add --tcp 192.168.1.40\n  sudo sensorgate add bme280 --i2c 1:0x76 --name attic -y",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := &interview{in: bufio.NewReader(cmd.InOrStdin()), out: cmd.OutOrStdout(), yes: a.yes}
			model := ""
			if len(args) == 1 {
				model = args[0]
			}
			return a.add(cmd.Context(), q, model, cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&a.path, "config", "c", defaultConfig, "configuration `file`")
	f.StringVar(&a.name, "name", "", "name of the device in topics")
	f.StringVar(&a.port, "port", "", "serial port")
	f.StringVar(&a.tcp, "tcp", "", "`host:port` of a Modbus TCP device or a serial server")
	f.StringVar(&a.line, "line", "", "line settings of the serial port: \"9600 8N1\"")
	f.IntVar(&a.unit, "unit", 0, "Modbus unit")
	f.StringVar(&a.i2c, "i2c", "", "I2C bus and address: 1:0x76")
	f.StringVar(&a.spi, "spi", "", "SPI bus and select: 0.1")
	f.DurationVar(&a.timeout, "timeout", 150*time.Millisecond, "how long a Modbus unit that is looked for may think")
	f.BoolVarP(&a.yes, "yes", "y", false, "ask nothing and take what is proposed")
	f.BoolVar(&a.unproof, "unseen", false, "write it down also if it does not answer")
	return cmd
}

func (a *addFlags) add(ctx context.Context, q *interview, model string, progress io.Writer) error {
	a.rootOnly = true
	c, err := a.load(os.Stderr)
	if err != nil {
		return err
	}
	if err := mayWrite(filepath.Join(filepath.Dir(a.path), "conf.d")); err != nil {
		return err
	}
	found := scan.Found{Name: "device"}
	if model == "" {
		if found, model, err = a.find(ctx, q, progress, c); err != nil {
			return err
		}
	}
	if found.Text == "" || model != "" && found.Kind == "" {
		found.Text = a.ask(q, model)
	}
	if model != "" {
		if found.Kind == "serial" || found.Kind == "modbus" {
			a.mayAskUnit(q, model, &found)
		}
		found.Text, found.Name = scan.WithModel(found.Text, model, a.driverNames()), filepath.Base(model)
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(c.Devices, func(d config.Device) bool { return d.Name == name })
	}
	name := a.name
	if name == "" {
		name = q.ask("Its name in topics", scan.Proposal(found.Name, taken))
	}
	name = scan.Proposal(name, func(string) bool { return false })
	if taken(name) {
		return usageError{fmt.Errorf("there is a device %s already (try: --name %s)", name, scan.Proposal(name, taken))}
	}
	return a.try(ctx, q, name, found.Device(name))
}

func (a *addFlags) driverNames() []string { return a.hardware.Registry.Names() }

// driverOf is the driver of a model; what is no model is a driver itself.
func (s *settings) driverOf(model string) string {
	if m, is := s.model(model); is {
		return m.Driver
	}
	return model
}

// ask writes down how a device of a model is reached, from flags and questions.
func (a *addFlags) ask(q *interview, model string) string {
	driver := a.driverOf(model)
	var b strings.Builder
	_, _, isSelect := strings.Cut(a.spi, ".")
	switch {
	case isSelect:
		fmt.Fprintf(&b, "spi = %q\n", a.spi)
	case a.i2c != "":
		fmt.Fprintf(&b, "i2c = %q\n", a.i2c)
	case driver == "modbus" && a.tcp != "":
		fmt.Fprintf(&b, "tcp = %q\n", a.tcp)
	case a.tcp != "":
		fmt.Fprintf(&b, "serial = { tcp = %q }\n", a.tcp)
	case a.port != "" || slices.Contains(serialDrivers, driver):
		if a.port == "" {
			a.port = q.ask("Serial port (sensorgate scan serial lists them)", "/dev/ttyUSB0")
		}
		line := ""
		if a.line != "" {
			line = fmt.Sprintf(", line = %q", a.line)
		}
		fmt.Fprintf(&b, "serial = { port = %q%s }\n", a.port, line)
	}
	f := scan.Found{Text: b.String()}
	a.mayAskUnit(q, model, &f)
	return f.Text
}

// serialDrivers are those that are on a serial port.
var serialDrivers = []string{"modbus", "lines", "frames", "nmea", "p1", "sml", "d0", "mbus", "teleinfo"}

// mayAskUnit adds the unit of a Modbus device.
func (a *addFlags) mayAskUnit(q *interview, model string, f *scan.Found) {
	if a.driverOf(model) != "modbus" || strings.Contains(f.Text, "unit ") {
		return
	}
	for a.unit == 0 {
		answer := q.ask("Its unit on the wire (1 to 247)", "1")
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= 247 {
			a.unit = n
		} else {
			fmt.Fprintf(q.out, "%q is no number from 1 to 247.\n", answer)
		}
	}
	f.Text += fmt.Sprintf("unit = %d\n", a.unit)
}

// try checks and reads the device before it is written down.
func (a *addFlags) try(ctx context.Context, q *interview, name, text string) error {
	file := filepath.Join(filepath.Dir(a.path), "conf.d", name+".toml")
	if _, err := os.Stat(file); err == nil {
		return usageError{fmt.Errorf("%s is there already (try: --name)", file)}
	}
	if shaped, problems := toml.Format(file, text); len(problems) == 0 { // what is wrong with it is explained below
		text = shaped
	}
	fmt.Fprintf(q.out, "\n%s\n", text)
	h := gateway.NewHardware(discard)
	next, problems := config.LoadDrafts(a.path, []config.Draft{{Name: file, Text: text}}, h.Catalogue())
	if next == nil {
		problems.WriteText(q.out, false)
		return usageError{errReported}
	}
	one, err := onlyDevice(next, name)
	if err != nil {
		return err
	}
	fmt.Fprintln(q.out, "Reading it, up to ten seconds …")
	t := h.Try(ctx, one, discard)[0]
	if err := writeChannels(q.out, t, false); err != nil {
		return err
	}
	if !t.OK && !t.Skipped {
		fmt.Fprintf(q.out, "%s: %s\n", t.Name, terminal.Escape(t.Text))
		if q.yes && !a.unproof {
			return fmt.Errorf("%s does not answer; nothing was written (try: --unseen)", name)
		}
	}
	if !a.unproof && !q.yes && !q.agreesTo("Write it down", map[bool]string{true: "yes", false: "no"}[t.OK || t.Skipped]) {
		return errors.New("nothing was written")
	}
	running, err := a.takeUp(ctx, q.out, file, confd.Append("", text))
	if running && err == nil {
		fmt.Fprintln(q.out, "The gateway has it now.")
	}
	return err
}
