package sender

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// Database knows the autonomous system and the country of addresses, from files
// in the MMDB format. It is safe for concurrent use; a nil one knows nothing.
type Database struct {
	files   []*databaseFile
	checked atomic.Int64 // when files were looked at last, in Unix seconds

	mu    sync.RWMutex // guards what follows
	known map[netip.Addr]place
}

// place is where an address is.
type place struct {
	asn           int64
	name, country string
}

// databaseFile is a file as it was read last.
type databaseFile struct {
	path   string
	reader atomic.Pointer[maxminddb.Reader]
	seen   os.FileInfo
}

// maxPlaces bounds the addresses that are remembered.
const maxPlaces = 50_000

// checkEvery is how often files are looked at for a change.
const checkEvery = time.Minute

// OpenDatabase reads files, with autonomous systems, countries, or both. They are
// read again when they change.
func OpenDatabase(paths ...string) (*Database, error) {
	d := &Database{known: map[netip.Addr]place{}}
	for _, path := range paths {
		f := &databaseFile{path: path}
		if _, err := f.load(); err != nil {
			return nil, err
		}
		d.files = append(d.files, f)
	}
	d.checked.Store(time.Now().Unix())
	if len(d.files) == 0 {
		return nil, nil
	}
	return d, nil
}

// load reads the file if it changed. What is mapped into memory and cut by who
// updates it would be a memory fault, and so it is read.
func (f *databaseFile) load() (changed bool, err error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return false, err
	}
	if f.seen != nil && os.SameFile(f.seen, info) && f.seen.ModTime().Equal(info.ModTime()) && f.seen.Size() == info.Size() {
		return false, nil
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return false, err
	}
	reader, err := maxminddb.OpenBytes(data)
	if err == nil {
		kind := strings.ToLower(reader.Metadata.DatabaseType)
		known := false
		for _, word := range []string{"asn", "isp", "country", "city", "enterprise", "location", "lite"} {
			known = known || strings.Contains(kind, word)
		}
		if !known {
			err = fmt.Errorf("its type is %q: want autonomous systems or countries", reader.Metadata.DatabaseType)
		}
	}
	if err != nil {
		return false, fmt.Errorf("%s is no database of addresses in the MMDB format: %w", f.path, err)
	}
	f.reader.Store(reader)
	f.seen = info
	return true, nil
}

// Reload reads files that changed. One that is damaged is left as it was.
func (d *Database) Reload() error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, f := range d.files {
		changed, err := f.load()
		errs = append(errs, err)
		if changed {
			clear(d.known)
		}
	}
	return errors.Join(errs...)
}

// Lookup returns the number and the name of the autonomous system of an address,
// and the code of its country, as far as they are known.
func (d *Database) Lookup(a netip.Addr) (asn int64, name, country string) {
	if d == nil {
		return 0, "", ""
	}
	if now, last := time.Now().Unix(), d.checked.Load(); now-last >= int64(checkEvery/time.Second) && d.checked.CompareAndSwap(last, now) {
		_ = d.Reload() // A file that is being replaced is read the next time.
	}
	a = a.Unmap().WithZone("")
	d.mu.RLock()
	p, ok := d.known[a]
	d.mu.RUnlock()
	if ok {
		return p.asn, p.name, p.country
	}
	for _, f := range d.files {
		p = p.or(f.lookup(a))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) >= maxPlaces {
		clear(d.known)
	}
	d.known[a] = p
	return p.asn, p.name, p.country
}

func (p place) or(q place) place {
	return place{cmp.Or(p.asn, q.asn), cmp.Or(p.name, q.name), cmp.Or(p.country, q.country)}
}

// entry is what databases have of an address: those of MaxMind and in their form,
// and those of IPinfo.
type entry struct {
	ASN     int64  `maxminddb:"autonomous_system_number"`
	Name    string `maxminddb:"autonomous_system_organization"`
	Country struct {
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
}

type ipinfoEntry struct {
	ASN     string `maxminddb:"asn"`
	Name    string `maxminddb:"as_name"`
	Code    string `maxminddb:"country_code"`
	Country string `maxminddb:"country"`
}

func (f *databaseFile) lookup(a netip.Addr) place {
	result := f.reader.Load().Lookup(a)
	if !result.Found() {
		return place{}
	}
	var e entry
	if err := result.Decode(&e); err == nil && e != (entry{}) {
		return place{e.ASN, e.Name, e.Country.Code}
	}
	var i ipinfoEntry
	if err := result.Decode(&i); err != nil {
		return place{}
	}
	asn, _ := strconv.ParseInt(strings.TrimPrefix(i.ASN, "AS"), 10, 64) // Without one it is 0.
	code := cmp.Or(i.Code, i.Country)
	if len(code) != 2 {
		code = ""
	}
	return place{asn, i.Name, code}
}
