package main

import (
	"net"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsServer is a DNS server on loopback that knows TXT records by name. Others
// do not exist; those without text are refused.
type dnsServer struct {
	conn    net.PacketConn
	records map[string][]string
}

// startDNS starts one at an address, which may have the port 0, and returns its address.
func startDNS(t *testing.T, address string, records map[string][]string) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &dnsServer{conn: conn, records: records}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve()
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return conn.LocalAddr().String()
}

// serve answers until the connection is closed.
func (s *dnsServer) serve() {
	for b := make([]byte, 4096); ; {
		n, from, err := s.conn.ReadFrom(b)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		answer, err := s.answer(&m).Pack()
		if err != nil {
			continue
		}
		_, _ = s.conn.WriteTo(answer, from) // A client that is gone asks no more.
	}
}

func (s *dnsServer) answer(m *dnsmessage.Message) *dnsmessage.Message {
	question := m.Questions[0]
	texts, ok := s.records[question.Name.String()]
	m.Response, m.Additionals = true, nil
	switch {
	case !ok:
		m.RCode = dnsmessage.RCodeNameError
	case texts == nil:
		m.RCode = dnsmessage.RCodeRefused
	case question.Type == dnsmessage.TypeTXT:
		for _, text := range texts {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class, TTL: 1},
				Body:   &dnsmessage.TXTResource{TXT: []string{text[:3], text[3:]}}, // as servers cut long ones
			})
		}
	}
	return m
}
