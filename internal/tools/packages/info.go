package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dmarc-suite/dmarc-suite/internal/tools/archive"
	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/files"
)

const (
	homepage   = "https://github.com/dmarc-suite/dmarc-suite"
	maintainer = "dmarc-suite authors <dmarc-suite@users.noreply.github.com>"
)

// source is what a package is made from.
type source struct {
	root    string
	archive archive.Archive
	binary  string
	format  string // deb or rpm
}

// descriptions are the first lines; the second sentence is the same for all.
var descriptions = map[string]string{
	"dmarc_exporter":            "Prometheus exporter for DMARC and SMTP TLS reports",
	"postgres_queries_exporter": "Prometheus exporter for PostgreSQL and custom queries",
	"redis_exporter":            "Prometheus exporter for Redis",
	"nginx_exporter":            "Prometheus exporter for nginx status and access logs",
	"node_exporter":             "Prometheus exporter for host metrics",
	"suite_exporter":            "Prometheus exporters of dmarc-suite in one process",
}

// secrets are the files that the units load as credentials: readable by root
// alone, and empty until the administrator fills them.
var secrets = map[string][]string{
	"dmarc_exporter":            {"/etc/dmarc_exporter/imap-password", "/etc/dmarc_exporter/smtp-password"},
	"postgres_queries_exporter": {"/etc/postgres_queries_exporter/dsn"},
	"redis_exporter":            {"/etc/redis_exporter/password"},
	"suite_exporter":            {"/etc/suite_exporter/imap-password", "/etc/suite_exporter/dsn", "/etc/suite_exporter/redis-password"},
}

// timers are the names of units beside a service: a timer and what it starts.
var timers = map[string]string{"dmarc_exporter": "dmarc_exporter-digest"}

// arguments are the options that a service starts with.
var arguments = map[string]string{
	"dmarc_exporter": "--config.file=/etc/dmarc_exporter/config.yml",
	"suite_exporter": "--config.file=/etc/suite_exporter/suite.yml",
}

// info describes the package; the files it names are made in tmp.
func (s source) info(tmp string) (*nfpm.Info, error) {
	name := archive.Dashed(s.binary)
	info := &nfpm.Info{
		Name: name, Arch: s.archive.Arch, Platform: "linux", Version: s.archive.Version, Release: "1",
		Section: "net", Priority: "optional", Maintainer: maintainer, Vendor: "dmarc-suite", Homepage: homepage,
		Description: descriptions[s.binary] + "\nPart of dmarc-suite. The service runs as a dynamic user in a sandbox.\nIt is not started before it is configured and enabled.",
		MTime:       s.archive.Time, DisableGlobbing: true,
	}
	if s.format == "rpm" { // Debian's field is the file copyright.
		info.License = "Apache-2.0"
	}
	// The host that builds is not part of the package.
	info.RPM.BuildHost, info.RPM.Summary = "localhost", descriptions[s.binary]
	contents, err := s.contents(tmp)
	if err != nil {
		return nil, err
	}
	info.Contents = contents
	scripts := map[string]*string{}
	if s.format == "deb" {
		scripts["deb/postinst"], scripts["deb/prerm"], scripts["deb/postrm"] = &info.Scripts.PostInstall, &info.Scripts.PreRemove, &info.Scripts.PostRemove
	} else {
		scripts["rpm/post"], scripts["rpm/preun"], scripts["rpm/postun"] = &info.Scripts.PostInstall, &info.Scripts.PreRemove, &info.Scripts.PostRemove
	}
	for from, to := range scripts {
		text, err := s.template(from)
		if err != nil {
			return nil, err
		}
		*to = filepath.Join(tmp, filepath.Base(from))
		if err := os.WriteFile(*to, text, 0o755); err != nil {
			return nil, err
		}
	}
	return nfpm.WithDefaults(info), nil
}

// template reads a file of deploy/packages and fills in the names.
func (s source) template(name string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(s.root, "deploy/packages", name))
	if err != nil {
		return nil, err
	}
	units := s.binary + ".service"
	if timer := timers[s.binary]; timer != "" {
		units += " " + timer + ".timer"
	}
	names := strings.NewReplacer("@BINARY@", s.binary, "@UNITS@", units, "@PACKAGE@", archive.Dashed(s.binary), "@ARGS@", arguments[s.binary])
	return []byte(names.Replace(string(text))), nil
}

// contents lists the files of the package and writes them into tmp.
func (s source) contents(tmp string) (files.Contents, error) {
	manual, err := s.manual()
	if err != nil {
		return nil, err
	}
	options, err := s.template("default")
	if err != nil {
		return nil, err
	}
	licenses, err := s.archive.Licenses(s.binary)
	if err != nil {
		return nil, err
	}
	name := archive.Dashed(s.binary)
	b := contentBuilder{tmp: tmp, stamp: s.archive.Time}
	b.add("/usr/bin/"+s.binary, "", 0o755, s.archive.Files[s.binary])
	b.add("/usr/share/man/man1/"+s.binary+".1.gz", "", 0o644, compress(manual))
	b.add("/etc/default/"+s.binary, files.TypeConfigNoReplace, 0o644, options)
	for i, secret := range secrets[s.binary] {
		if i == 0 {
			b.dir(filepath.Dir(secret), 0o755)
		}
		b.add(secret, files.TypeConfigNoReplace, 0o600, nil)
	}
	switch s.binary {
	case "dmarc_exporter":
		config, err := s.template("dmarc_exporter.yml")
		if err != nil {
			return nil, err
		}
		b.add("/etc/dmarc_exporter/config.yml", files.TypeConfigNoReplace, 0o644, config)
		digest, err := s.template("digest")
		if err != nil {
			return nil, err
		}
		b.add("/etc/default/dmarc_exporter-digest", files.TypeConfigNoReplace, 0o644, digest)
	case "node_exporter":
		b.dir("/var/lib/node_exporter/textfile", 0o755)
	case "suite_exporter":
		config, err := s.template("suite.yml")
		if err != nil {
			return nil, err
		}
		b.add("/etc/suite_exporter/suite.yml", files.TypeConfigNoReplace, 0o644, config)
	}
	if err := s.units(&b); err != nil {
		return nil, err
	}
	if s.format == "rpm" {
		b.add("/usr/share/licenses/"+name+"/LICENSE", "", 0o644, s.archive.Files["LICENSE"])
		b.add("/usr/share/licenses/"+name+"/THIRD_PARTY_LICENSES", "", 0o644, licenses)
		return b.contents, b.err
	}
	for _, f := range [][2]string{{"copyright", "/usr/share/doc/" + name + "/copyright"}, {"lintian-overrides", "/usr/share/lintian/overrides/" + name}} {
		text, err := s.template(f[0])
		if err != nil {
			return nil, err
		}
		for _, secret := range secrets[s.binary] {
			if f[0] == "lintian-overrides" {
				text = fmt.Appendf(text, "# A secret, which root alone reads.\n%s: non-standard-file-perm 0600 != 0644 [%s]\n", name, secret[1:])
			}
		}
		b.add(f[1], "", 0o644, text)
	}
	b.add("/usr/share/doc/"+name+"/THIRD_PARTY_LICENSES.gz", "", 0o644, compress(licenses))
	changelog := fmt.Sprintf("%s (%s-1) unstable; urgency=medium\n\n  * Release; %s/blob/v%s/CHANGELOG.md\n    tells what changed.\n\n -- %s  %s\n",
		name, s.archive.Version, homepage, s.archive.Version, maintainer, s.archive.Time.Format(time.RFC1123Z))
	b.add("/usr/share/doc/"+name+"/changelog.Debian.gz", "", 0o644, compress([]byte(changelog)))
	return b.contents, b.err
}

// units adds the units of systemd, where each of the two worlds has them.
func (s source) units(b *contentBuilder) error {
	dir := "/lib/systemd/system/"
	if s.format == "rpm" {
		dir = "/usr" + dir
	}
	names := []string{s.binary + ".service"}
	if timer := timers[s.binary]; timer != "" {
		names = append(names, timer+".service", timer+".timer")
	}
	for _, name := range names {
		unit, err := os.ReadFile(filepath.Join(s.root, "deploy/systemd", name))
		if err != nil {
			return err
		}
		b.add(dir+name, "", 0o644, unit)
	}
	return nil
}

// contentBuilder collects files, and the first error.
type contentBuilder struct {
	tmp      string
	stamp    time.Time
	contents files.Contents
	err      error
}

// add adds a file of root's with the given content.
func (b *contentBuilder) add(destination, kind string, mode os.FileMode, data []byte) {
	source := filepath.Join(b.tmp, fmt.Sprintf("content%d", len(b.contents)))
	if err := os.WriteFile(source, data, 0o600); err != nil && b.err == nil {
		b.err = err
	}
	b.contents = append(b.contents, &files.Content{
		Source: source, Destination: destination, Type: kind,
		FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: b.stamp},
	})
}

// dir adds a directory of root's.
func (b *contentBuilder) dir(destination string, mode os.FileMode) {
	b.contents = append(b.contents, &files.Content{
		Destination: destination, Type: files.TypeDir,
		FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: b.stamp},
	})
}

// compress is gzip -9 without a name or a time, as Debian wants it.
func compress(data []byte) []byte {
	var b bytes.Buffer
	// The level is valid, and a buffer takes everything.
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}
