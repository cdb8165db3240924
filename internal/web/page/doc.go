// Package page has the files of the page that people look at, and serves them: HTML, style
// sheet, modules of JavaScript, texts. The page asks the HTTP API and nothing else; this
// package knows no device and asks its server for the role of a request, and its files hold
// no data.
//
// src has the sources, uplot the library for plots as it was published, embedded what is
// linked into the binary: the same files, each compressed once, and those modules that every
// visit needs behind each other in one file (bundle_test.go), made by
//
//	go test ./internal/web/page -run TestEmbeddedFilesAreCurrent -update
//
// The files but index.html are served below a path that has a hash of all of them in its
// name, so that browsers may keep them forever, and a page of one version never loads a
// module of another. There is no build step beyond that: what the browser runs is what is
// written in src. docs/page.md has the design.
//
// # Who runs what
//
// Nobody: a Handler is called by net/http.
//
// # What is not done
//
// Browsers older than 2023 are not looked after.
package page
