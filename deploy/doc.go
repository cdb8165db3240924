// Package deploy has no code, only tests of what stands beside it: the systemd unit,
// users, udev rules, the Debian package and its scripts. deploy/deb/build.sh makes
// the package, deploy/board the virtual board that it is tried on.
package deploy
