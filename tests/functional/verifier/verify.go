// SPDX-License-Identifier: GPL-2.0-or-later

// Verify attestation reports with google/go-sev-guest, as a relying party
// that trusts the ARK of an emulated chip.
//
// usage: verify < CASES
//
// Each line of CASES has five fields: the files with the ARK to trust (DER),
// the report, and the table of certificates; the nonce and the measurement
// to expect, in hexadecimal.  For each line one is printed: "ok" or
// "refused: WHY".
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-sev-guest/abi"
	"github.com/google/go-sev-guest/validate"
	"github.com/google/go-sev-guest/verify"
	"github.com/google/go-sev-guest/verify/trust"
)

type evidence struct {
	ark, report, certs, nonce, measurement []byte
}

func read(fields []string) (*evidence, error) {
	if len(fields) != 5 {
		return nil, fmt.Errorf("a case has five fields")
	}
	var part [5][]byte
	for i, field := range fields {
		var err error
		if i < 3 {
			part[i], err = os.ReadFile(field)
		} else {
			part[i], err = hex.DecodeString(field)
		}
		if err != nil {
			return nil, err
		}
	}
	return &evidence{part[0], part[1], part[2], part[3], part[4]}, nil
}

// The root is named for the product line that it is of.
func check(e *evidence) error {
	ark, err := x509.ParseCertificate(e.ark)
	if err != nil {
		return err
	}
	line := strings.TrimPrefix(ark.Subject.CommonName, "ARK-")
	if line == "Turin" ||
		len(e.report) > 4 && binary.LittleEndian.Uint32(e.report) == 5 {
		return checkModern(e, line, ark)
	}
	return checkOld(e, line)
}

// By go-sev-guest alone
func checkOld(e *evidence, line string) error {
	attestation, err := abi.ReportCertsToProto(append(e.report, e.certs...))
	if err != nil {
		return err
	}
	// The ASK is what the guest sent; the ARK is what is trusted.
	root := trust.AMDRootCertsProduct(line)
	chain := attestation.GetCertificateChain()
	if err := root.Decode(chain.GetAskCert(), e.ark); err != nil {
		return err
	}
	options := verify.DefaultOptions()
	options.DisableCertFetching = true
	options.TrustedRoots = map[string][]*trust.AMDRootCerts{line: {root}}
	if err := verify.SnpAttestation(attestation, options); err != nil {
		return err
	}
	return validate.SnpAttestation(attestation, &validate.Options{
		GuestPolicy: abi.SnpPolicy{SMT: true},
		ReportData:  e.nonce,
		Measurement: e.measurement,
	})
}

func main() {
	cases := bufio.NewScanner(os.Stdin)
	for cases.Scan() {
		e, err := read(strings.Fields(cases.Text()))
		if err == nil {
			err = check(e)
		}
		if err == nil {
			fmt.Println("ok")
		} else {
			fmt.Printf("refused: %s\n",
				strings.ReplaceAll(err.Error(), "\n", " "))
		}
	}
}
