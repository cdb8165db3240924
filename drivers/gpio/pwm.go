package gpio

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"sensorgate/drivers"
)

type pwmOptions struct {
	PWM       PWMRef       `toml:"pwm" required:"true" example:"\"pwmchip0:0\"" doc:"The chip and channel of the kernel's PWM interface: pwmchip0:0."`
	Frequency Frequency    `toml:"frequency" example:"\"25kHz\"" doc:"The frequency of the pulses: 25kHz for fans, 50 Hz for servos."`
	Invert    bool         `toml:"invert" doc:"High and low change places, if the driver can do that."`
	Start     float64      `toml:"start" example:"0.0" doc:"The duty in % at start."`
	Exit      *float64     `toml:"exit" example:"0.0" doc:"The duty in % when the gateway stops; default: as start."`
	Failsafe  *PWMFailsafe `toml:"failsafe" example:"{ after = \"10m\", duty = 30 }" doc:"The duty to take when nobody has sent a command for some time."`
}

// PWMFailsafe is what a PWM output does when its controller is silent.
type PWMFailsafe struct {
	After time.Duration `toml:"after" required:"true" doc:"How long there must be no command."`
	Duty  float64       `toml:"duty" example:"30.0" doc:"The duty to take, in %."`
}

// PWMRef is a channel of a PWM chip.
type PWMRef struct {
	chip    string
	channel int
}

// UnmarshalText reads pwmchip0:0.
func (r *PWMRef) UnmarshalText(b []byte) error {
	chip, ch, _ := strings.Cut(strings.TrimSpace(string(b)), ":")
	n, err := strconv.Atoi(ch)
	number, ok := strings.CutPrefix(chip, "pwmchip")
	if _, chipErr := strconv.ParseUint(number, 10, 16); !ok || chipErr != nil || err != nil || n < 0 || n > 255 {
		return fmt.Errorf("found %q, expected chip and channel such as \"pwmchip0:0\"", b)
	}
	*r = PWMRef{chip, n}
	return nil
}

func (r PWMRef) String() string { return r.chip + ":" + strconv.Itoa(r.channel) }

// Claims: the channel is ours.
func (o *pwmOptions) Claims() []drivers.Claim {
	return []drivers.Claim{{Kind: "pwm", ID: o.PWM.String(), Key: "pwm"}}
}

// Check finds values that cannot be.
func (o *pwmOptions) Check() error {
	var errs []error
	check := func(key string, duty float64) {
		if !(duty >= 0 && duty <= 100) {
			errs = append(errs, &drivers.KeyError{Key: key, Problem: fmt.Sprintf("found %v", duty), Expected: "0 to 100 %"})
		}
	}
	check("start", o.Start)
	if o.Exit != nil {
		check("exit", *o.Exit)
	}
	if o.Failsafe != nil {
		check("failsafe.duty", o.Failsafe.Duty)
		if o.Failsafe.After <= 0 {
			errs = append(errs, &drivers.KeyError{Key: "failsafe.after", Problem: "must be longer than nothing", Try: `after = "2m"`})
		}
	}
	return errors.Join(errs...)
}

func pwmDriver(c *Chips) drivers.Driver {
	return drivers.Driver{
		Name:     "pwm",
		Summary:  "PWM output of the kernel: fan, dimmer, servo",
		Options:  func() any { return &pwmOptions{Frequency: 1000} },
		Channels: []drivers.Channel{{Name: "duty", Unit: "%", Writable: true, Min: 0, Max: 100}},
		Open: func(ctx context.Context, s drivers.DeviceConfig) (any, error) {
			return openPWM(ctx, c.pwm, *s.Options.(*pwmOptions))
		},
	}
}

// sysfs reads and writes attributes. The PWM interface has rules of its own about
// the order of writes, so tests stand in for it here.
type sysfs interface {
	Read(path string) (string, error)
	Write(path, value string) error
}

type realSysfs struct{}

func (realSysfs) Read(path string) (string, error) {
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}

func (realSysfs) Write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// pwmClass is where the kernel shows its PWM chips;
// Documentation/ABI/testing/sysfs-class-pwm.
const pwmClass = "/sys/class/pwm"

// pwm is one exported channel.
type pwm struct {
	opt    pwmOptions
	fs     sysfs
	dir    string
	period time.Duration
	wake   chan struct{}

	mu        sync.Mutex
	duty      float64
	since     time.Time
	commands  uint64 // and failsafes, and the start
	commanded time.Time
	failed    bool // the failsafe was taken and no command came since
}

func openPWM(ctx context.Context, fs sysfs, o pwmOptions) (*pwm, error) {
	chip := filepath.Join(pwmClass, o.PWM.chip)
	d := &pwm{opt: o, fs: fs, dir: filepath.Join(chip, "pwm"+strconv.Itoa(o.PWM.channel)), period: o.Frequency.period(), wake: make(chan struct{}, 1)}
	if err := d.export(ctx, chip); err != nil {
		return nil, fmt.Errorf("pwm %v: %w", o.PWM, err)
	}
	if err := d.setUp(); err != nil {
		return nil, fmt.Errorf("pwm %v: %w", o.PWM, err)
	}
	now := time.Now()
	d.since, d.commanded, d.commands = now, now, 1
	return d, nil
}

// export makes the channel's directory, and waits until udev has given it to our
// group, which takes some tens of milliseconds after it appears.
func (d *pwm) export(ctx context.Context, chip string) error {
	n, err := d.fs.Read(filepath.Join(chip, "npwm"))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: no %s (is the overlay loaded? on a Raspberry Pi: dtoverlay=pwm)", drivers.ErrAbsent, chip)
	}
	if err != nil {
		return err
	}
	if channels, err := strconv.Atoi(n); err == nil && d.opt.PWM.channel >= channels {
		return fmt.Errorf("the chip has channels 0 to %d", channels-1)
	}
	if _, err := d.fs.Read(filepath.Join(d.dir, "period")); errors.Is(err, os.ErrNotExist) {
		if err := d.fs.Write(filepath.Join(chip, "export"), strconv.Itoa(d.opt.PWM.channel)); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	for {
		err := d.write("enable", "0")
		if !errors.Is(err, os.ErrPermission) && !errors.Is(err, os.ErrNotExist) {
			return nil // it answers; what it thinks of the value is setUp's business
		}
		if !drivers.Sleep(ctx, 20*time.Millisecond) {
			return err
		}
	}
}

// setUp goes the only way that every driver takes: off, no duty, then the period
// (which may not be shorter than the duty), polarity while off, duty, on.
func (d *pwm) setUp() error {
	period := strconv.FormatInt(d.period.Nanoseconds(), 10)
	if err := d.write("duty_cycle", "0"); err != nil {
		// A channel that never had a period refuses any duty.
		if perr := d.write("period", period); perr != nil {
			return fmt.Errorf("period %v: %w", d.period, perr)
		}
	}
	if err := d.write("period", period); err != nil {
		return fmt.Errorf("period %v: %w (can the chip make %v Hz?)", d.period, err, float64(d.opt.Frequency))
	}
	if err := d.write("polarity", d.polarity()); err != nil && d.opt.Invert {
		return fmt.Errorf("invert: %w", err)
	}
	if err := d.set(d.opt.Start); err != nil {
		return err
	}
	if err := d.write("enable", "1"); err != nil {
		return err
	}
	return d.readBack()
}

// readBack compares what the channel is set to with what it should be: whoever had it
// before may have left it inverted, and whoever can write the files can change it.
func (d *pwm) readBack() error {
	for _, attr := range []struct{ name, want string }{
		{"period", strconv.FormatInt(d.period.Nanoseconds(), 10)}, {"polarity", d.polarity()},
		{"duty_cycle", d.nanoseconds(d.duty)}, {"enable", "1"},
	} {
		is, err := d.fs.Read(filepath.Join(d.dir, attr.name))
		switch {
		case errors.Is(err, os.ErrNotExist) && attr.name == "polarity" && !d.opt.Invert:
			continue // this chip has only one
		case errors.Is(err, os.ErrNotExist):
			return gone(err)
		case err != nil:
			return err
		case is != attr.want:
			return fmt.Errorf("%s is %s, not %s as it was set: something else writes to it", attr.name, is, attr.want)
		}
	}
	return nil
}

func (d *pwm) polarity() string {
	if d.opt.Invert {
		return "inversed"
	}
	return "normal"
}

// nanoseconds is how long the pulses are at a duty in %.
func (d *pwm) nanoseconds(duty float64) string {
	return strconv.FormatInt(int64(math.Round(float64(d.period.Nanoseconds())*duty/100)), 10)
}

func (d *pwm) write(attr, value string) error {
	return d.fs.Write(filepath.Join(d.dir, attr), value)
}

func (d *pwm) set(duty float64) error {
	if err := d.write("duty_cycle", d.nanoseconds(duty)); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return gone(err)
		}
		return fmt.Errorf("duty %v %%: %w", duty, err)
	}
	d.duty = duty
	return nil
}

// Close takes the exit duty and leaves the channel running with it: a fan that is
// not controlled any more should blow, if its owner wants that.
func (d *pwm) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	exit := d.opt.Start
	if d.opt.Exit != nil {
		exit = *d.opt.Exit
	}
	return d.set(exit)
}

// Command sets the duty in %.
func (d *pwm) Command(_ context.Context, c drivers.Command) error {
	if c.Channel != "duty" {
		return drivers.ErrNoCommands
	}
	duty, err := strconv.ParseFloat(strings.TrimRight(string(c.Payload), " \r\n\t%"), 64)
	if err != nil || !(duty >= 0 && duty <= 100) {
		return fmt.Errorf("%w: found %.40q, expected 0 to 100 (%%)", drivers.ErrRefused, c.Payload)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.set(duty); err != nil {
		return err
	}
	now := time.Now()
	d.since, d.commanded, d.failed = now, now, false
	d.commands++
	select {
	case d.wake <- struct{}{}:
	default: // Watch will look anyway
	}
	return nil
}

// Watch reports the duty, keeps the failsafe, and notices when the chip goes away or is
// set by something else.
func (d *pwm) Watch(ctx context.Context, report drivers.Report) error {
	var reported uint64
	faulty := false
	for {
		lapse, err := d.enforce()
		if err != nil {
			return err
		}
		d.mu.Lock()
		duty, since, commands, due := d.duty, d.since, d.commands, d.failsafeAtLocked()
		wrong := d.readBack()
		d.mu.Unlock()
		switch {
		case errors.Is(wrong, drivers.ErrAbsent):
			return wrong
		case wrong != nil && !faulty:
			report(drivers.Reading{}, wrong)
		case wrong == nil && (commands != reported || faulty):
			report(drivers.Reading{Channel: "duty", Value: drivers.Number(duty), Unit: "%", Time: since}, nil)
			reported = commands
		}
		faulty = wrong != nil
		if lapse != nil { // after the reading, so that the device shows it until the next command
			report(drivers.Reading{}, lapse)
		}
		if !wait(ctx, earliest(time.Now().Add(verifyEvery), due), d.wake) {
			return ctx.Err()
		}
	}
}

func (d *pwm) failsafeAtLocked() time.Time {
	if d.opt.Failsafe == nil || d.failed || d.duty == d.opt.Failsafe.Duty {
		return time.Time{}
	}
	return d.commanded.Add(d.opt.Failsafe.After)
}

// enforce takes the failsafe when its time has come, and reports that in lapse.
func (d *pwm) enforce() (lapse, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, now := d.failsafeAtLocked(), time.Now()
	if at.IsZero() || now.Before(at) {
		return nil, nil
	}
	if err := d.set(d.opt.Failsafe.Duty); err != nil {
		return nil, err
	}
	d.since, d.failed = now, true
	d.commands++
	return fmt.Errorf("failsafe: no command for %v, duty set to %v %%", d.opt.Failsafe.After, d.duty), nil
}
