package serial

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"sensorgate/drivers"
)

// PortInfo is one port that the kernel knows.
type PortInfo struct {
	Path   string   // /dev/ttyUSB0
	Stable []string // /dev/serial/by-id/… and by-path/… that lead to it, best first
	USB    USBID    // zero if it is not a USB adapter
	Name   string   // manufacturer and product, or the kernel driver
	UsedBy []string // programs that have it open, of those that we may see: "mosquitto (pid 12)"
}

// system is where the kernel shows its devices; tests have one of their own.
type system struct{ sys, dev, proc string }

var host = system{sys: "/sys", dev: "/dev", proc: "/proc"}

// Ports lists the serial ports without opening any.
func Ports() ([]PortInfo, error) { return host.ports() }

func (s system) ports() ([]PortInfo, error) {
	// Virtual consoles and ptys have no device behind them.
	devices, err := filepath.Glob(filepath.Join(s.sys, "class/tty/*/device"))
	if err != nil {
		return nil, err
	}
	stable := s.stableNames()
	var list []PortInfo
	for _, d := range devices {
		tty := filepath.Dir(d)
		// Type 0 is a place that the 8250 driver keeps for a UART that is not there.
		if kind, err := os.ReadFile(filepath.Join(tty, "type")); err == nil && strings.TrimSpace(string(kind)) == "0" {
			continue
		}
		p := PortInfo{Path: filepath.Join(s.dev, filepath.Base(tty))}
		p.Stable = stable[p.Path]
		p.USB, p.Name = s.describe(d)
		p.UsedBy = s.openBy(p.Path)
		list = append(list, p)
	}
	sort.Slice(list, func(i, k int) bool { return list[i].Path < list[k].Path })
	return list, nil
}

// StableName is the name of a port that stays the same over reboots and other
// adapters, or "" if there is none or it is that already.
func StableName(port string) string {
	names := host.stableNames()[port]
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// stableNames maps a port to the names udev gave it.
func (s system) stableNames() map[string][]string {
	names := map[string][]string{}
	for _, by := range []string{"by-id", "by-path"} {
		links, _ := filepath.Glob(filepath.Join(s.dev, "serial", by, "*"))
		for _, link := range links {
			if path, err := filepath.EvalSymlinks(link); err == nil {
				names[path] = append(names[path], link)
			}
		}
	}
	return names
}

// describe looks from the tty's device upwards for the USB device it is part of.
func (s system) describe(device string) (USBID, string) {
	dir, err := filepath.EvalSymlinks(device)
	if err != nil {
		return USBID{}, ""
	}
	driver, _ := filepath.EvalSymlinks(filepath.Join(dir, "driver"))
	root, err := filepath.EvalSymlinks(s.sys)
	if err != nil {
		return USBID{}, ""
	}
	for up := dir; strings.HasPrefix(up, root) && up != root; up = filepath.Dir(up) {
		vendor := attr(up, "idVendor")
		if vendor == "" {
			continue
		}
		id := USBID{Vendor: vendor, Product: attr(up, "idProduct"), Serial: attr(up, "serial")}
		return id, strings.TrimSpace(attr(up, "manufacturer") + " " + attr(up, "product"))
	}
	if driver == "" {
		return USBID{}, ""
	}
	return USBID{}, filepath.Base(driver)
}

func attr(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// findUSB returns the path of the adapter with these numbers. Two that fit are an
// error: a meter's register map must not be read from its neighbour.
func (s system) findUSB(want USBID) (string, error) {
	list, err := s.ports()
	if err != nil {
		return "", err
	}
	var found []PortInfo
	for _, p := range list {
		if p.USB.Vendor == want.Vendor && p.USB.Product == want.Product && (want.Serial == "" || p.USB.Serial == want.Serial) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("%w (plugged in? try: sensorgate scan serial)", drivers.ErrAbsent)
	case 1:
		return found[0].Path, nil
	}
	return "", fmt.Errorf("%d adapters fit, %s and %s; add the serial number, or use port = \"/dev/serial/by-path/…\"",
		len(found), found[0].Path, found[1].Path)
}

// openBy lists who has path open; root sees everybody, others themselves.
func openBy(path string) []string { return host.openBy(path) }

func (s system) openBy(path string) []string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	fds, _ := filepath.Glob(filepath.Join(s.proc, "[0-9]*/fd/*"))
	var users []string
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err != nil || target != path {
			continue
		}
		pid := filepath.Base(filepath.Dir(filepath.Dir(fd)))
		user := fmt.Sprintf("%s (pid %s)", attr(filepath.Join(s.proc, pid), "comm"), pid)
		if !slices.Contains(users, user) {
			users = append(users, user)
		}
	}
	return users
}
