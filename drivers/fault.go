package drivers

// ChannelError is the fault of one channel. The others may be fine: a Poller returns it
// beside readings, joined with those of other channels (errors.Join), a Watcher reports
// one at a time.
type ChannelError struct {
	Channel string
	Err     error
}

func (e *ChannelError) Error() string { return e.Channel + ": " + e.Err.Error() }

// Unwrap returns the fault.
func (e *ChannelError) Unwrap() error { return e.Err }

// ChannelFaults returns the faults of single channels that err holds, by channel, however
// deep they are wrapped or joined. all is whether there is nothing else in err.
func ChannelFaults(err error) (faults map[string]error, all bool) {
	faults = map[string]error{}
	return faults, err == nil || collectFaults(err, faults)
}

func collectFaults(err error, into map[string]error) (all bool) {
	if fault, ok := err.(*ChannelError); ok { //nolint:errorlint // this is the walk that errors.As does
		if _, known := into[fault.Channel]; !known {
			into[fault.Channel] = fault.Err
		}
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		inner := e.Unwrap()
		return inner != nil && collectFaults(inner, into)
	case interface{ Unwrap() []error }:
		all = true
		for _, inner := range e.Unwrap() {
			all = collectFaults(inner, into) && all
		}
		return all
	}
	return false
}
