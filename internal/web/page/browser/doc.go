// Package browser tests the page as people use it: the real program, a real browser
// (Chromium without a window, driven by chromedp), clicks and keys. Where there is no
// browser the tests are skipped with the reason.
//
// The tests wait for what a person would see, never for a time. What takes long (an hour
// of memory, 500 channels on a slow phone, twenty pages) is run by make page-check.
//
//	go test ./internal/web/page/browser -run TestScreenshots -update
//
// writes the pictures of the README and of docs.
package browser
