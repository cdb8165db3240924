package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sensorgate/broker"
	"sensorgate/internal/config"
	"sensorgate/internal/mqtttools"
	"sensorgate/internal/status"
)

// ownBroker finds the broker of the gateway whose configuration this machine has: pub, sub
// and rr talk to it when no flag names another.
type ownBroker struct {
	s settings
}

// flags adds --config; -c is taken by mosquitto's --disable-clean-session.
func (o *ownBroker) flags(f *pflag.FlagSet) {
	f.StringVar(&o.s.path, "config", defaultConfig, "configuration `file` of the gateway whose broker is meant")
}

// find returns where its broker listens. A configuration that is not there, or that this
// user may not read, leaves the usual address, of which nobody knows whose it is.
func (o *ownBroker) find(cmd *cobra.Command) func(context.Context) (mqtttools.Broker, error) {
	return func(ctx context.Context) (mqtttools.Broker, error) {
		named := cmd.Flags().Changed("config")
		f, err := os.Open(o.s.path)
		if err == nil {
			err = f.Close()
		}
		switch {
		case err != nil && named:
			return mqtttools.Broker{}, usageError{err}
		case errors.Is(err, fs.ErrNotExist):
			return mqtttools.Broker{Unsure: "there is no " + o.s.path}, nil
		case err != nil:
			return mqtttools.Broker{Unsure: "this user may not read " + o.s.path}, nil
		}
		c, problems := o.s.read()
		if c == nil {
			if named {
				return mqtttools.Broker{}, usageError{fmt.Errorf("%s has %s (see: sensorgate check %s)", o.s.path, problems.Counts(), o.s.path)}
			}
			return mqtttools.Broker{Unsure: o.s.path + " has " + problems.Counts()}, nil
		}
		closed, err := o.listening(ctx)
		if err != nil {
			return mqtttools.Broker{}, err
		}
		return listenerFor(c, closed)
	}
}

// listening asks the gateway itself which of its listeners are not open, and why: who
// answers on their address is somebody else.
func (o *ownBroker) listening(ctx context.Context) (closed []string, err error) {
	snap, err := status.Fetch(ctx, o.s.findSocket())
	switch {
	case errors.Is(err, status.ErrNotRunning):
		return nil, fmt.Errorf("the gateway of %s is not running; to talk to another broker name it: -h HOST", o.s.path)
	case err != nil: // it runs, and this user may not ask
		return nil, nil
	}
	return snap.NotListening, nil
}

// listenerFor returns the listener that a tool on this machine can use best: one without
// certificates first. Those that closed has are left out.
func listenerFor(c *config.Config, closed []string) (mqtttools.Broker, error) {
	isClosed := func(l broker.Listener) bool {
		return slices.ContainsFunc(closed, func(why string) bool { return strings.HasPrefix(why, "listener "+l.String()+": ") })
	}
	open := slices.DeleteFunc(slices.Clone(c.Broker.Listeners), isClosed)
	rank := []string{"unix", "tcp", "ws"}
	for _, network := range rank {
		for _, l := range open {
			if l.Network != network {
				continue
			}
			if network == "unix" {
				return mqtttools.Broker{Socket: l.Address}, nil
			}
			return mqtttools.Broker{Address: reachableFromHere(l), WS: network == "ws"}, nil
		}
	}
	if len(c.Broker.Listeners) == 0 {
		return mqtttools.Broker{}, usageError{errors.New("the gateway has no listener (listen = []): name the broker that its bridge sends to: -h HOST")}
	}
	if len(closed) > 0 {
		return mqtttools.Broker{}, fmt.Errorf("the gateway's own broker does not listen where this tool could go: %s; to talk to the other one name it: -h 127.0.0.1", strings.Join(closed, "; "))
	}
	return mqtttools.Broker{}, usageError{fmt.Errorf("the gateway listens only with TLS, on %s: -h NAME --cafile FILE", open[0].Address)}
}

// reachableFromHere is the address of a listener for a client on the same machine.
func reachableFromHere(l broker.Listener) string {
	host, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		return l.Address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
