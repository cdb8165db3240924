package status

import (
	"context"
	"net"
	"net/http"
	"os"

	"golang.org/x/sys/unix"
)

type contextKey int

const socketKey contextKey = iota // bool: whether the peer may change something

// FromSocket marks a request that came over the control socket from root or the gateway's
// own user: it may do everything.
func FromSocket(ctx context.Context) context.Context { return context.WithValue(ctx, socketKey, true) }

// FromGroup marks a request that came over the control socket from somebody else whom the
// modes of its folder let in, a member of the gateway's group: it may look, and no more.
func FromGroup(ctx context.Context) context.Context { return context.WithValue(ctx, socketKey, false) }

// CameFromSocket reports whether FromSocket or FromGroup marked the request.
func CameFromSocket(ctx context.Context) bool { return ctx.Value(socketKey) != nil }

// MayChange reports whether FromSocket marked the request.
func MayChange(ctx context.Context) bool {
	may, _ := ctx.Value(socketKey).(bool)
	return may
}

// overflowUser is what the kernel reports for a user that the gateway's user namespace
// does not know (Documentation/admin-guide/sysctl/fs.rst, overflowuid): with the unit's
// PrivateUsers= everybody but root and the gateway's user. Somebody else, in any case.
const overflowUser = 65534

// fromPeer marks requests by who is at the other end, as the kernel saw it at connect(2):
// SO_PEERCRED, unix(7).
func fromPeer(ctx context.Context, nc net.Conn) context.Context {
	uid, err := peerUser(nc)
	if err == nil && privileged(uid, os.Geteuid()) {
		return FromSocket(ctx)
	}
	return FromGroup(ctx)
}

// privileged reports whether a peer may do everything: root and the gateway's own user.
func privileged(peer, self int) bool {
	return peer == 0 || peer == self && peer != overflowUser
}

func peerUser(nc net.Conn) (uid int, err error) {
	c, ok := nc.(*net.UnixConn)
	if !ok {
		return -1, net.ErrClosed
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var cred *unix.Ucred
	cerr := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if cerr != nil || err != nil {
		return -1, net.ErrClosed
	}
	return int(cred.Uid), nil
}

// mayNotChange refuses a request of somebody who may only look.
func mayNotChange(w http.ResponseWriter, r *http.Request) bool {
	if MayChange(r.Context()) {
		return false
	}
	http.Error(w, onlyLook, http.StatusForbidden)
	return true
}

// onlyLook is the answer to somebody who asks for a change over the control socket and
// is neither root nor the gateway's user.
const onlyLook = "the group sensorgate may look; to change something takes root or the gateway's own user"
