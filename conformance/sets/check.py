"""Asks the Python libraries about security event tokens.

usage: check.py LIST
"""
import json
import sys

import jwt
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt
from jwcrypto import jwk as crypto_jwk
from jwcrypto import jwt as crypto_jwt

world = json.load(open(sys.argv[1], encoding="utf-8"))
issuer, audience = world["issuer"], world["audience"]
key_set = jwt.PyJWKSet.from_dict(world["jwks"])
crypto_keys = crypto_jwk.JWKSet.from_json(json.dumps(world["jwks"]))
joserfc_keys = joserfc_jwk.KeySet.import_key_set(world["jwks"])


def pyjwt(token):
    key = key_set[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key.key, algorithms=["ES256"], issuer=issuer, audience=audience)


def jwcrypto(token):
    wanted = {"iss": issuer, "aud": audience}
    # By its own default it asks for `exp`, which a SET does not have.
    verified = crypto_jwt.JWT(jwt=token, key=crypto_keys, algs=["ES256"], check_claims=wanted, expected_type="JWS")
    return json.loads(verified.claims)


def joserfc(token):
    verified = joserfc_jwt.decode(token, joserfc_keys, algorithms=["ES256"])
    wanted = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": audience}}
    joserfc_jwt.JWTClaimsRegistry(**wanted).validate(verified.claims)
    return verified.claims


for entry in world["tokens"]:
    for library, verify in {"PyJWT": pyjwt, "jwcrypto": jwcrypto, "joserfc": joserfc}.items():
        try:
            claims = verify(entry["token"])
            assert claims["sub_id"]["uri"] == "/Users/7"
            said, why = "ok", ""
        except Exception as error:
            said, why = "fail", f"{type(error).__name__}: {error}"
        print(json.dumps([entry["name"], library, entry["expect"], said, why]))
