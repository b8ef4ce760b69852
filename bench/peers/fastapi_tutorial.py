"""The rotating flow of the FastAPI tutorials: both tokens are JWTs, and the `jti` of every refresh token that has been used is
remembered, in memory. A used one is refused; nothing else happens to the session."""

import json
import os
import socket
import uuid
from datetime import datetime, timedelta, timezone

import jwt
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

key = ec.generate_private_key(ec.SECP256R1())
signing_key = key.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
refresh_secret = uuid.uuid4().hex + uuid.uuid4().hex
used: set[str] = set()
app = FastAPI()


class RefreshRequest(BaseModel):
    refresh_token: str


class TokenPair(BaseModel):
    access_token: str
    refresh_token: str
    token_type: str = "bearer"


def new_refresh_token(subject: str) -> str:
    expires = datetime.now(timezone.utc) + timedelta(days=30)
    claims = {"sub": subject, "jti": uuid.uuid4().hex, "type": "refresh", "exp": expires}
    return jwt.encode(claims, refresh_secret, algorithm="HS256")


def new_access_token(subject: str) -> str:
    expires = datetime.now(timezone.utc) + timedelta(minutes=15)
    return jwt.encode({"sub": subject, "jti": uuid.uuid4().hex, "exp": expires}, signing_key, algorithm="ES256")


@app.post("/refresh", response_model=TokenPair)
async def refresh(request: RefreshRequest):
    try:
        claims = jwt.decode(request.refresh_token, refresh_secret, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise HTTPException(401, "invalid token")
    if claims.get("type") != "refresh" or claims["jti"] in used:
        raise HTTPException(401, "token reused")
    used.add(claims["jti"])
    return TokenPair(
        access_token=new_access_token(claims["sub"]), refresh_token=new_refresh_token(claims["sub"])
    )


if __name__ == "__main__":
    sessions = int(os.environ.get("BENCH_SESSIONS", "2048"))
    with open(os.environ["BENCH_TOKENS"], "w") as file:
        json.dump([new_refresh_token(f"user-{nth}") for nth in range(sessions)], file)
    # With the protocol named, asyncio sends small writes at once, as it does on a socket of uvicorn's own.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    print(json.dumps({"address": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
