package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sensorgate/drivers/i2c"
	"sensorgate/drivers/kernel"
	"sensorgate/drivers/serial"
	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/scan"
	"sensorgate/internal/toml"
)

func newInit() *cobra.Command {
	var yes, force bool
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "ask a few questions, look what is connected, and write a first configuration",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := defaultConfig
			if len(args) == 1 {
				path = args[0]
			}
			if _, err := os.Stat(path); err == nil && !force {
				return usageError{fmt.Errorf("%s is there already (--force overwrites it)", path)}
			}
			if err := mayWrite(filepath.Dir(path)); err != nil {
				if errors.Is(err, fs.ErrPermission) {
					err = fmt.Errorf("%w (try: sudo sensorgate init, or sensorgate init ./sensorgate.toml)", err)
				}
				return err
			}
			in := &interview{in: bufio.NewReader(cmd.InOrStdin()), out: cmd.OutOrStdout(), yes: yes}
			text := in.write(cmd.Context())
			return finishInit(cmd.OutOrStdout(), path, text)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "ask nothing and take what is proposed")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the file")
	return cmd
}

// finishInit writes the file, checks it as a user would, and prints what comes next.
func finishInit(w io.Writer, path, text string) error {
	formatted, problems := toml.Format(path, text)
	if len(problems) > 0 {
		return fmt.Errorf("what you entered does not make a configuration: %w", problems)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := replaceText(path, formatted); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nWrote %s.\n", path)
	c, problems := config.Load(path, gateway.NewHardware(discard).Catalogue())
	if len(problems) > 0 {
		problems.WriteText(w, useColour(os.Stdout))
	}
	if c == nil {
		return usageError{errReported}
	}
	flag := ""
	if path != defaultConfig {
		flag = " -c " + path
	}
	fmt.Fprintf(w, "ok: %s\n\nNext:\n  sensorgate check --hardware%s\n  sensorgate run%s\n  sensorgate sub -v -t '%s/#'\n", summary(c), flag, flag, c.Node)
	return nil
}

// interview asks and writes the answers down as a configuration.
type interview struct {
	in  *bufio.Reader
	out io.Writer
	yes bool

	ended bool // nobody answers any more

	text    strings.Builder
	devices int
}

// ask returns the answer, or the proposal for an empty line or the end of the input.
func (q *interview) ask(question, proposal string) string {
	fmt.Fprintf(q.out, "%s [%s] ", question, proposal)
	if q.yes {
		fmt.Fprintln(q.out)
		return proposal
	}
	line, err := q.in.ReadString('\n')
	if err != nil {
		q.ended = true
		fmt.Fprintln(q.out)
	}
	if line = strings.TrimSpace(line); line == "" {
		return proposal
	}
	return line
}

func (q *interview) agrees(question string) bool { return q.agreesTo(question, "yes") }

func (q *interview) agreesTo(question, proposal string) bool {
	return strings.HasPrefix(strings.ToLower(q.ask(question, proposal)), "y")
}

func (q *interview) add(format string, args ...any) { fmt.Fprintf(&q.text, format, args...) }

func (q *interview) write(ctx context.Context) string {
	host, err := os.Hostname()
	if err != nil {
		host = "gateway"
	}
	host, _, _ = strings.Cut(host, ".")
	q.add("# Made by sensorgate init. Every key with its reason: reference.toml.\n\nnode = %s\n", strconv.Quote(q.ask("Name of this gateway, first level of its topics", host)))
	if os.Getuid() != 0 {
		data, err := filepath.Abs("sensorgate-data")
		if err == nil {
			q.add("data = %s\n", strconv.Quote(q.ask("Folder for what must survive a power cut", data)))
		}
	}
	q.chips(ctx)
	q.probes()
	q.ports()
	if q.devices == 0 && q.agrees("Nothing to read yet. Add a made-up thermometer, to see how it works?") {
		q.add("\n[device.example]\ndriver = \"sim\"\nevery = \"2s\"\n[device.example.channels]\ntemperature = { shape = \"sine\", from = 18, to = 24, unit = \"°C\", digits = 1 }\n")
	}
	q.upstream()
	return q.text.String()
}

// chips offers what answers on the I2C buses and can be asked who it is.
func (q *interview) chips(ctx context.Context) {
	adapters, err := i2c.Adapters()
	if err != nil || len(adapters) == 0 {
		return
	}
	fmt.Fprintln(q.out, "Looking at the I2C buses …")
	buses := i2c.NewBuses(discard)
	_ = scan.During(ctx, buses.Run, func(ctx context.Context) error { // always nil: what fails is printed, and the next is asked
		for _, a := range adapters {
			found, err := i2c.Scan(ctx, buses, strconv.Itoa(a.Number))
			if err != nil {
				fmt.Fprintf(q.out, "bus %d: %v\n", a.Number, err)
				continue
			}
			for _, f := range found {
				if f.Chip == "" || !q.agrees(fmt.Sprintf("Found a %s at %v. Read it?", f.Chip, f.Addr)) {
					continue
				}
				q.device(f.Chip, f.Chip)
				q.add("i2c = %q\n", f.Addr.String())
			}
		}
		return nil
	})
}

// device begins a device; its name is asked for.
func (q *interview) device(proposal, driver string) {
	q.devices++
	if q.devices > 1 {
		proposal += strconv.Itoa(q.devices)
	}
	q.add("\n[device.%s]\ndriver = %q\n", topicLevel(q.ask("  its name in topics", proposal)), driver)
}

// topicLevel makes a bare key of a name, which also fits into one level of a topic.
func topicLevel(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, name)
}

// probes offers the 1-Wire chips that the kernel knows.
func (q *interview) probes() {
	probes, err := kernel.Probes()
	if err != nil {
		return
	}
	for _, p := range probes {
		if q.agrees("Found a " + p.Chip + " on 1-Wire, " + p.ID + ". Read it?") {
			q.device("probe", p.Driver)
			q.add("%s", p.Keys)
		}
	}
}

// ports asks what is connected to each serial port that nobody uses.
func (q *interview) ports() {
	list, err := serial.Ports()
	if err != nil {
		return
	}
	for _, p := range list {
		if len(p.UsedBy) > 0 {
			continue
		}
		path := p.Path
		if len(p.Stable) > 0 {
			path = p.Stable[0]
		}
		q.connected(path, q.ask(fmt.Sprintf("Serial port %s: what is connected? (gps, p1, sml, mbus, scale, lines, modbus, a model, no)", path), "no"))
	}
}

// meterModels are models and drivers by the words that people have for them.
var meterModels = map[string]string{"p1": "dsmr/p1", "sml": "sml", "mbus": "mbus", "scale": "generic/scale"}

// connected writes down what somebody says is on a port.
func (q *interview) connected(path, answer string) {
	switch answer {
	case "no", "n":
	case "gps":
		q.device("gps", "nmea")
		q.add("serial = { port = %q, line = \"9600 8N1\" }\npublish = \"device\"\n", path)
	case "lines":
		q.device("lines", "lines")
		q.add("serial = { port = %q, line = \"9600 8N1\" }\nmatch = '^(?P<value>[-+0-9.]+)$'                # name the groups: they become the channels\n", path)
	case "p1", "sml", "mbus", "scale":
		q.meter(path, meterModels[answer])
	case "modbus":
		model := q.ask("  its model (sensorgate model list), or modbus", "modbus")
		q.modbus(path, model)
	default:
		q.model(path, answer)
	}
}

// meter writes down a device that needs no more than its port: of a model, or of a driver.
func (q *interview) meter(path, model string) {
	q.devices++
	name := q.ask("  its name in topics", scan.Proposal(filepath.Base(model), func(string) bool { return false })+strings.Repeat(strconv.Itoa(q.devices), min(q.devices-1, 1)))
	text := scan.WithModel(fmt.Sprintf("serial = { port = %q }\n", path), model, gateway.NewHardware(discard).Registry.Names())
	q.add("\n[device.%s]\n%s", topicLevel(name), text)
}

// model writes down a device of a model; what is none is asked again by its words.
func (q *interview) model(path, answer string) {
	catalogue := gateway.NewHardware(discard).Catalogue()
	if m, is := config.ReadModel(catalogue, "", answer); is {
		if m.Driver == "modbus" {
			q.modbus(path, answer)
		} else {
			q.meter(path, answer)
		}
		return
	}
	var like []string
	for _, m := range config.Models(catalogue, "") {
		if m.Mentions(answer) {
			like = append(like, m.Name)
		}
	}
	fmt.Fprintf(q.out, "  No model is called %q; %d mention it: %s\n  The port is left out; later: sensorgate add\n", answer, len(like), strings.Join(like[:min(len(like), 8)], ", "))
}

func (q *interview) modbus(path, model string) {
	q.devices++
	q.add("\n[device.%s]\n", topicLevel(q.ask("  its name in topics", "meter"+strconv.Itoa(q.devices))))
	unit, err := strconv.Atoi(q.ask("  its address on the wire", "1"))
	if err != nil {
		unit = 1
	}
	if model != "modbus" {
		q.add("model = %q\n", model)
	} else {
		q.add("driver = \"modbus\"\n")
	}
	q.add("serial = { port = %q, line = \"9600 8N1\" }\nunit = %d\n", path, unit)
	if model == "modbus" {
		q.add("channels.value = { input = 0x0000, type = \"u16\" }   # registers: see the device's manual\n")
	}
}

// upstream asks where readings are sent.
func (q *interview) upstream() {
	var address string
	for {
		address = q.ask("Broker to send to, as mqtts://host:8883, or no", "no")
		if address == "no" || address == "n" {
			return
		}
		if !strings.Contains(address, "://") {
			address = "mqtts://" + address
		}
		if u, err := url.Parse(address); err == nil && u.Host != "" && u.User == nil {
			break
		}
		fmt.Fprintln(q.out, "  That is no url, or has a password in it; the user comes next.")
	}
	q.add("\n[bridge.upstream]\nurls = [%q]\n", address)
	if user := q.ask("  user there, or no", "no"); user != "no" {
		file := q.ask("  file that holds the password", "/etc/sensorgate/upstream.pass")
		q.add("user = %q\npassword = { file = %q }\n", user, file)
	}
	rules := "  { dir = \"out\", local = \"{node}/#\" },\n"
	if q.agrees("  take commands from there?") {
		rules += "  { dir = \"in\", local = \"{node}/+/+/set\", expire = \"30s\" },\n"
	}
	q.add("rules = [\n%s]\n", rules)
}
