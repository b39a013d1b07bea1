package remote

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// socksTime is how long who connects to a SOCKS port may take to say where to.
const socksTime = 30 * time.Second

var errNotSocks = errors.New("what connected does not speak SOCKS 4 or 5")

// readSocks reads where somebody wants to be connected to: SOCKS 4, 4a and 5 (RFC
// 1928), CONNECT only and without authentication, as ssh does. Answer tells them
// whether it worked. It reads not one byte of what comes after.
func readSocks(c io.ReadWriter) (to string, answer func(ok bool) error, err error) {
	version, err := readBytes(c, 1)
	if err != nil {
		return "", nil, err
	}
	switch version[0] {
	case 4:
		return readSocks4(c)
	case 5:
		return readSocks5(c)
	}
	return "", nil, errNotSocks
}

func readBytes(c io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, fmt.Errorf("it left before it had said where to connect: %w", err)
	}
	return b, nil
}

func readSocks4(c io.ReadWriter) (string, func(bool) error, error) {
	answer := func(ok bool) error {
		code := byte(91)
		if ok {
			code = 90
		}
		_, err := c.Write([]byte{0, code, 0, 0, 0, 0, 0, 0})
		return err
	}
	head, err := readBytes(c, 7)
	if err != nil {
		return "", nil, err
	}
	if _, err := readText(c); err != nil { // the name of a user, which means nothing here
		return "", nil, err
	}
	if head[0] != 1 {
		return "", nil, errors.Join(fmt.Errorf("SOCKS command %d is not supported", head[0]), answer(false))
	}
	host := net.IP(head[3:7]).String()
	if head[3] == 0 && head[4] == 0 && head[5] == 0 && head[6] != 0 { // 4a: a name follows
		if host, err = readText(c); err != nil {
			return "", nil, err
		}
	}
	return socksAddress(host, head[1:3]), answer, nil
}

// readText reads what ends with a zero.
func readText(c io.Reader) (string, error) {
	var text []byte
	for len(text) < 256 {
		b, err := readBytes(c, 1)
		if err != nil {
			return "", err
		}
		if b[0] == 0 {
			return string(text), nil
		}
		text = append(text, b[0])
	}
	return "", errNotSocks
}

func readSocks5(c io.ReadWriter) (string, func(bool) error, error) {
	count, err := readBytes(c, 1)
	if err != nil {
		return "", nil, err
	}
	methods, err := readBytes(c, int(count[0]))
	if err != nil {
		return "", nil, err
	}
	without := false
	for _, m := range methods {
		without = without || m == 0
	}
	if !without {
		_, err := c.Write([]byte{5, 0xff})
		return "", nil, errors.Join(errors.New("SOCKS with authentication is not supported"), err)
	}
	if _, err := c.Write([]byte{5, 0}); err != nil {
		return "", nil, err
	}
	head, err := readBytes(c, 4)
	if err != nil {
		return "", nil, err
	}
	reply := func(code byte) error {
		_, err := c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
		return err
	}
	if head[0] != 5 {
		return "", nil, errNotSocks
	}
	if head[1] != 1 {
		return "", nil, errors.Join(fmt.Errorf("SOCKS command %d is not supported", head[1]), reply(7))
	}
	var host string
	switch head[3] {
	case 1, 4:
		ip, err := readBytes(c, map[byte]int{1: net.IPv4len, 4: net.IPv6len}[head[3]])
		if err != nil {
			return "", nil, err
		}
		host = net.IP(ip).String()
	case 3:
		length, err := readBytes(c, 1)
		if err != nil {
			return "", nil, err
		}
		name, err := readBytes(c, int(length[0]))
		if err != nil {
			return "", nil, err
		}
		host = string(name)
	default:
		return "", nil, errors.Join(fmt.Errorf("SOCKS address type %d is not supported", head[3]), reply(8))
	}
	port, err := readBytes(c, 2)
	if err != nil {
		return "", nil, err
	}
	return socksAddress(host, port), func(ok bool) error {
		if ok {
			return reply(0)
		}
		return reply(5)
	}, nil
}

func socksAddress(host string, port []byte) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port[0])<<8|int(port[1])))
}

// splitAddress splits host:port.
func splitAddress(address string) (string, uint32, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	return host, uint32(port), err
}
