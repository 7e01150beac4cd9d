// SPDX-License-Identifier: GPL-2.0-or-later

// What go-sev-guest 0.13 does not know of: reports of version 5, and Turin,
// whose certificates have a patch level more (FMC) and 8 bytes of chip ID.
//
// Written from the SEV-SNP Firmware ABI (56860) and the VCEK Certificate and
// KDS Interface Specification (57230).  What the library has of it is used:
// the table of certificates, and the certificates' rules before Turin.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/kds"
)

const reportSize, signedSize = 0x4a0, 0x2a0

// Where the parts of a TCB_VERSION are, and the last number of their OIDs
var tcbParts = map[string]map[int]int{
	"Milan": {1: 0, 2: 1, 3: 6, 8: 7},
	"Genoa": {1: 0, 2: 1, 3: 6, 8: 7},
	"Turin": {9: 0, 1: 1, 2: 2, 3: 3, 8: 7},
}

// Family and model, as reports have them
var cpus = map[string][2]byte{
	"Milan": {0x19, 0x01}, "Genoa": {0x19, 0x11}, "Turin": {0x1a, 0x02},
}

func extension(cert *x509.Certificate, last ...int) []byte {
	oid := append(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1}, last...)
	for _, one := range cert.Extensions {
		if one.Id.Equal(oid) {
			return one.Value
		}
	}
	return nil
}

func checkKey(line string, cert *x509.Certificate, report []byte, vlek bool) error {
	name, rest := "", []byte{}
	rest, err := asn1.UnmarshalWithParams(extension(cert, 2), &name, "ia5")
	if err != nil || len(rest) != 0 || kds.ProductLineOfProductName(name) != line {
		return fmt.Errorf("product name %q is not that of a %s", name, line)
	}
	tcb := make([]byte, 8)
	for last, at := range tcbParts[line] {
		level := -1
		if _, err := asn1.Unmarshal(extension(cert, 3, last), &level); err != nil ||
			level < 0 || level > 255 {
			return fmt.Errorf("no patch level %d", last)
		}
		tcb[at] = byte(level)
	}
	if !bytes.Equal(tcb, report[0x180:0x188]) {
		return fmt.Errorf("certificate is for TCB %x, report for %x", tcb,
			report[0x180:0x188])
	}
	id := make([]byte, 64)
	copy(id, extension(cert, 4))
	if !vlek && !bytes.Equal(id, report[0x1a0:0x1e0]) {
		return fmt.Errorf("certificate is that of another chip")
	}
	if (extension(cert, 5) != nil) != vlek || (extension(cert, 4) != nil) == vlek {
		return fmt.Errorf("not a certificate of this kind of key")
	}
	return nil
}

func number(littleEndian []byte) *big.Int {
	digits := slices.Clone(littleEndian)
	slices.Reverse(digits)
	return new(big.Int).SetBytes(digits)
}

func checkSignature(cert *x509.Certificate, report []byte) error {
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	digest := sha512.Sum384(report[:signedSize])
	if !ok || !ecdsa.Verify(key, digest[:], number(report[0x2a0:0x2e8]),
		number(report[0x2e8:0x330])) {
		return fmt.Errorf("the report's signature does not hold")
	}
	return nil
}

func isZero(report []byte, from, to int) bool {
	return bytes.Equal(report[from:to], make([]byte, to-from))
}

func checkFields(line string, e *evidence) error {
	version := binary.LittleEndian.Uint32(e.report)
	switch {
	case version != 5 && version != 3:
		return fmt.Errorf("version %d", version)
	case !bytes.Equal(e.report[0x50:0x90], e.nonce):
		return fmt.Errorf("another nonce")
	case !bytes.Equal(e.report[0x90:0xc0], e.measurement):
		return fmt.Errorf("another measurement")
	case !bytes.Equal(e.report[0x188:0x18a], slices.Concat(
		[]byte{cpus[line][0]}, []byte{cpus[line][1]})):
		return fmt.Errorf("another processor")
	case binary.LittleEndian.Uint32(e.report[0x34:]) != 1:
		return fmt.Errorf("another signature algorithm")
	case !isZero(e.report, 0x4c, 0x50), !isZero(e.report, 0x18b, 0x1a0),
		!isZero(e.report, 0x208, signedSize),
		version < 5 && !isZero(e.report, 0x1f8, 0x208):
		return fmt.Errorf("a reserved field is not zero")
	}
	return nil
}

// The chain of what signed, from the table, up to the ARK that is trusted
func checkChain(e *evidence, ark *x509.Certificate, vlek bool) (*x509.Certificate, error) {
	table := new(abi.CertTable)
	if err := table.Unmarshal(e.certs); err != nil {
		return nil, err
	}
	guid := abi.VcekGUID
	if vlek {
		guid = abi.VlekGUID
	}
	var certs [2]*x509.Certificate
	for i, name := range []string{guid, abi.AskGUID} {
		der, err := table.GetByGUIDString(name)
		if err != nil {
			return nil, err
		}
		if certs[i], err = x509.ParseCertificate(der); err != nil {
			return nil, err
		}
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(ark)
	between.AddCert(certs[1])
	_, err := certs[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return certs[0], err
}

func checkModern(e *evidence, line string, ark *x509.Certificate) error {
	if len(e.report) != reportSize || tcbParts[line] == nil {
		return fmt.Errorf("no report, or of no chip that is known: %s", line)
	}
	signer := e.report[0x48] >> 2 & 7
	if signer > 1 {
		return fmt.Errorf("the report is not signed")
	}
	cert, err := checkChain(e, ark, signer == 1)
	if err != nil {
		return err
	}
	if err := checkKey(line, cert, e.report, signer == 1); err != nil {
		return err
	}
	if err := checkSignature(cert, e.report); err != nil {
		return err
	}
	return checkFields(line, e)
}
