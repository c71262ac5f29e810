package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/dmarc-suite/dmarc-suite/internal/collect"
)

// netstat is the collector of network statistics with upstream's names and flags.
// Upstream's own asks a regular expression about each of some 400 fields in each run,
// and describes those that are shown anew: a seventh of a scrape. This one does so when
// it sees a name for the first time.
type netstat struct {
	dir    string
	fields *regexp.Regexp
	lines  map[string][]*collect.Family // the columns of a line of names; nil stands for one that is not shown
	names  map[string]*collect.Family   // of snmp6, as lines
	buffer []byte
}

// maxNetstatLines bounds the lines of names that are kept. That of IcmpMsg grows with
// each type of message that arrives.
const maxNetstatLines = 128

// netstatReader returns the reader of network statistics.
func netstatReader(*host) (updater, error) { return newNetstat() }

func newNetstat() (*netstat, error) {
	fields, err := regexp.Compile(path("collector.netstat.fields"))
	if err != nil {
		return nil, fmt.Errorf("fields of netstat: %w", err)
	}
	return &netstat{
		dir: filepath.Join(path("path.procfs"), "net"), fields: fields,
		lines: map[string][]*collect.Family{}, names: map[string]*collect.Family{}, buffer: make([]byte, 0, 16<<10),
	}, nil
}

// Update implements updater.
func (c *netstat) Update(_ context.Context, ch chan<- prometheus.Metric) error {
	var out collect.Output
	for _, name := range []string{"netstat", "snmp"} {
		text, err := c.read(name)
		if err == nil {
			err = c.writeTables(text, &out)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	text, err := c.read("snmp6")
	if err == nil {
		err = c.writeList(text, &out)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // It is missing where IPv6 is off.
		return fmt.Errorf("read snmp6: %w", err)
	}
	out.Send(ch)
	return nil
}

// read returns what a file holds, until the next one is read.
func (c *netstat) read(name string) ([]byte, error) {
	file, err := ignoringEINTR(func() (int, error) {
		return unix.Open(filepath.Join(c.dir, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(file) }()
	text := c.buffer[:0]
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
			c.buffer = text
		}
		n, err := ignoringEINTR(func() (int, error) { return unix.Read(file, text[len(text):cap(text)]) })
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return text, nil
		}
		text = text[:len(text)+n]
	}
}

// writeTables writes pairs of lines, of names and of their values, which both begin with
// the protocol.
func (c *netstat) writeTables(text []byte, out *collect.Output) error {
	for len(text) > 0 {
		var names, values []byte
		names, text, _ = bytes.Cut(text, []byte("\n"))
		values, text, _ = bytes.Cut(text, []byte("\n"))
		columns, known := c.lines[string(names)]
		if !known {
			columns = c.learn(string(names))
		}
		if n := bytes.Count(values, []byte(" ")) + 1; n != len(columns) {
			return fmt.Errorf("%d values for %d names behind %s", n-1, len(columns)-1, strings.SplitN(string(names), " ", 2)[0])
		}
		for i := 0; len(values) > 0; i++ {
			var value []byte
			value, values, _ = bytes.Cut(values, []byte(" "))
			if err := writeNumber(columns[i], value, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// learn decides which columns of a line of names are shown.
func (c *netstat) learn(line string) []*collect.Family {
	names := strings.Split(line, " ")
	columns := make([]*collect.Family, len(names))
	for i, name := range names[1:] {
		columns[i+1] = c.family(strings.TrimSuffix(names[0], ":"), name)
	}
	if len(c.lines) >= maxNetstatLines {
		clear(c.lines)
	}
	c.lines[line] = columns
	return columns
}

// writeList writes lines of a name, which begins with the protocol, and its value.
func (c *netstat) writeList(text []byte, out *collect.Output) error {
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		if len(words) < 2 {
			continue
		}
		family, known := c.names[string(words[0])]
		if !known {
			if before, after, found := strings.Cut(string(words[0]), "6"); found {
				family = c.family(before+"6", after)
			}
			c.names[string(words[0])] = family
		}
		if err := writeNumber(family, words[1], out); err != nil {
			return err
		}
	}
	return nil
}

// family returns the metric of a field, or nil if that is not shown.
func (c *netstat) family(protocol, name string) *collect.Family {
	key := protocol + "_" + name
	if !c.fields.MatchString(key) {
		return nil
	}
	return collect.NewFamily(prometheus.UntypedValue, "node_netstat_"+key, "Statistic "+protocol+name+".", nil, nil)
}

// writeNumber adds the value of a field that is shown.
func writeNumber(family *collect.Family, text []byte, out *collect.Output) error {
	if family == nil {
		return nil
	}
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return fmt.Errorf("value of %s: %w", family.Name, err)
	}
	out.Add(family, value)
	return nil
}
