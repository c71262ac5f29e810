package sender

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// mmdb writes a database in the MMDB format: a tree of bits of addresses with
// records of 32 bits, whose leaves are maps.
type mmdb struct {
	nodes [][2]int // positive: a node; negative: ^offset of data
	data  []byte
}

// add gives a network a map. Values are strings, uint32s or maps.
func (m *mmdb) add(network string, value map[string]any) {
	p := netip.MustParsePrefix(network)
	a, bits := p.Addr().As16(), p.Bits()
	if p.Addr().Is4() {
		a, bits = [16]byte{}, bits+96
		four := p.Addr().As4()
		copy(a[12:], four[:])
	}
	if m.nodes == nil {
		m.nodes = make([][2]int, 1)
	}
	offset := len(m.data)
	m.data = appendValue(m.data, value)
	node := 0
	for i := range bits {
		bit := a[i/8] >> (7 - i%8) & 1
		if i == bits-1 {
			m.nodes[node][bit] = ^offset
			break
		}
		if m.nodes[node][bit] == 0 {
			m.nodes = append(m.nodes, [2]int{})
			m.nodes[node][bit] = len(m.nodes) - 1
		}
		node = m.nodes[node][bit]
	}
}

func appendValue(b []byte, v any) []byte {
	head := func(kind, size int) {
		extra := 0
		if size >= 29 {
			extra, size = size-29, 29
		}
		b = append(b, byte(kind<<5|size))
		if size == 29 {
			b = append(b, byte(extra))
		}
	}
	switch v := v.(type) {
	case string:
		head(2, len(v))
		return append(b, v...)
	case uint32:
		head(6, 4)
		return binary.BigEndian.AppendUint32(b, v)
	case map[string]any:
		var keys []string
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		head(7, len(v))
		for _, k := range keys {
			b = appendValue(appendValue(b, k), v[k])
		}
		return b
	}
	panic("a value of another type")
}

// write writes the file.
func (m *mmdb) write(t testing.TB, path, kind string) {
	t.Helper()
	const separator = 16
	var b []byte
	for _, node := range m.nodes {
		for _, record := range node {
			switch {
			case record < 0:
				record = len(m.nodes) + separator + ^record
			case record == 0:
				record = len(m.nodes)
			}
			b = binary.BigEndian.AppendUint32(b, uint32(record))
		}
	}
	b = append(append(b, make([]byte, separator)...), m.data...)
	b = append(b, "\xab\xcd\xefMaxMind.com"...)
	b = appendValue(b, map[string]any{
		"binary_format_major_version": uint32(2), "binary_format_minor_version": uint32(0), "build_epoch": uint32(1), "database_type": kind,
		"ip_version": uint32(6), "node_count": uint32(len(m.nodes)), "record_size": uint32(32),
	})
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDatabase(t *testing.T) {
	dir := t.TempDir()
	asn, country, ipinfo := filepath.Join(dir, "asn.mmdb"), filepath.Join(dir, "country.mmdb"), filepath.Join(dir, "ipinfo.mmdb")
	var a, c, i mmdb
	a.add("192.0.2.0/24", map[string]any{"autonomous_system_number": uint32(64500), "autonomous_system_organization": "EXAMPLE-HOSTING"})
	a.add("2001:db8::/32", map[string]any{"autonomous_system_number": uint32(64501), "autonomous_system_organization": "Six"})
	a.write(t, asn, "GeoLite2-ASN")
	c.add("192.0.2.0/25", map[string]any{"country": map[string]any{"iso_code": "NL"}})
	c.write(t, country, "GeoLite2-Country")
	i.add("198.51.100.0/24", map[string]any{"asn": "AS64502", "as_name": "Info", "country_code": "FI", "country": "Finland"})
	i.write(t, ipinfo, "ipinfo bundle_location_lite.mmdb")
	d, err := OpenDatabase(asn, country, ipinfo)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from memory
		for address, want := range map[string]place{
			"192.0.2.1": {64500, "EXAMPLE-HOSTING", "NL"}, "192.0.2.200": {64500, "EXAMPLE-HOSTING", ""}, "2001:db8::7": {64501, "Six", ""},
			"::ffff:192.0.2.1": {64500, "EXAMPLE-HOSTING", "NL"}, "198.51.100.3": {64502, "Info", "FI"}, "203.0.113.1": {},
		} {
			var got place
			if got.asn, got.name, got.country = d.Lookup(netip.MustParseAddr(address)); got != want {
				t.Errorf("%s: %+v, want %+v", address, got, want)
			}
		}
	}
	// A file that changes is read again; one that is damaged is not.
	var b mmdb
	b.add("192.0.2.0/24", map[string]any{"autonomous_system_number": uint32(64999), "autonomous_system_organization": "Another"})
	b.write(t, asn, "GeoLite2-ASN")
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(asn, later, later); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := d.Lookup(netip.MustParseAddr("192.0.2.1")); n != 64999 {
		t.Errorf("AS %d after a change", n)
	}
	if err := os.WriteFile(asn, []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Reload(); err == nil {
		t.Error("no error from a damaged file")
	}
	if n, _, _ := d.Lookup(netip.MustParseAddr("192.0.2.9")); n != 64999 {
		t.Errorf("AS %d after damage", n)
	}
	for _, path := range []string{asn, filepath.Join(dir, "none.mmdb")} {
		if _, err := OpenDatabase(path); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
	b.write(t, asn, "DBIP-Whatever")
	if _, err := OpenDatabase(asn); err == nil {
		t.Error("a database of another type was taken")
	}
	if none, err := OpenDatabase(); none != nil || err != nil {
		t.Errorf("%v, %v without files", none, err)
	}
	names, err := New(Config{Database: d})
	if err != nil {
		t.Fatal(err)
	}
	rec := recordOf(t, "192.0.2.1", "shop.example", "", "")
	if s := names.Of(rec); s.ASN != 64999 || s.Country != "NL" || names.Label(rec) != "Another" {
		t.Errorf("%+v, label %s", s, names.Label(rec))
	}
}
