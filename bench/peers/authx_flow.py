"""AuthX as its documentation shows the refresh, with a new refresh token each time and the used one put on its blocklist."""

import json
import os
import socket

import uvicorn
from authx import AuthX, AuthXConfig, TokenPayload
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import Depends, FastAPI, Request

key = ec.generate_private_key(ec.SECP256R1())
config = AuthXConfig(
    JWT_ALGORITHM="ES256",
    JWT_PRIVATE_KEY=key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode(),
    JWT_PUBLIC_KEY=key.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode(),
    JWT_TOKEN_LOCATION=["headers"],
)
auth = AuthX(config=config)
app = FastAPI()
auth.handle_errors(app)
used: set[str] = set()


@auth.set_callback_token_blocklist
def is_used(token: str, **_) -> bool:
    return token in used


@app.post("/refresh")
async def refresh(request: Request, payload: TokenPayload = Depends(auth.refresh_token_required)):
    used.add(request.headers["authorization"].removeprefix("Bearer "))
    return auth.create_token_pair(uid=payload.sub)


if __name__ == "__main__":
    sessions = int(os.environ.get("BENCH_SESSIONS", "2048"))
    with open(os.environ["BENCH_TOKENS"], "w") as file:
        json.dump([auth.create_refresh_token(uid=f"user-{nth}") for nth in range(sessions)], file)
    # With the protocol named, asyncio sends small writes at once, as it does on a socket of uvicorn's own.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    print(json.dumps({"address": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
